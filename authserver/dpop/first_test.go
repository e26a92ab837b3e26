package dpop_test

import (
	"context"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/dpop"
)

// RFC 9449 §5 (figure 2) and §7.1 (figure 12).
const (
	rfcTokenProof = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6Ik" +
		"VDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCR" +
		"nMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JE" +
		"QSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIj" +
		"oiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwia" +
		"WF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg" +
		"4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg"
	rfcResourceProof = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6Ik" +
		"VDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCR" +
		"nMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JE" +
		"QSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIj" +
		"oiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0Z" +
		"WRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNF" +
		"c05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71E" +
		"OptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA"
	rfcAccessToken = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"
	rfcThumbprint  = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
)

func TestRFC9449Examples(t *testing.T) {
	for _, tt := range []struct {
		name, proof string
		iat         int64
		r           dpop.Request
	}{
		{"figure 2: token request", rfcTokenProof, 1562262616, dpop.Request{Method: "POST", URL: "https://server.example.com/token"}},
		{"figure 12: protected resource", rfcResourceProof, 1562262618, dpop.Request{Method: "GET",
			URL: "https://resource.example.org/protectedresource", AccessToken: rfcAccessToken}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := &dpop.Verifier{Replays: dpop.NewWindow(0), Now: func() time.Time { return time.Unix(tt.iat, 0) }}
			p, err := v.Verify(context.Background(), []string{tt.proof}, tt.r)
			if err != nil || p.Thumbprint != rfcThumbprint {
				t.Fatalf("Verify = %+v, %v, want thumbprint %s", p, err, rfcThumbprint)
			}
			if _, err := v.Verify(context.Background(), []string{tt.proof}, tt.r); err == nil {
				t.Error("the proof is good twice")
			}
		})
	}
}
