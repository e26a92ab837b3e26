package caddymodule_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestUpstreamSilence: no log has a token, of a client or for the upstream, an assertion or the gate's secret, whether the upstream answers or
// is down, and whether the tokens could be had; and a scrape of the metrics counts by kind and outcome alone.
func TestUpstreamSilence(t *testing.T) {
	const inner, gateSecret = "inner-token-0123456789", "gate-secret-0123456789"
	as := newTokenServer(t, jsonAnswer(200, strings.Replace(innerToken, "inner", inner, 1)))
	dir := t.TempDir()
	access, rest := filepath.Join(dir, "access.log"), filepath.Join(dir, "rest.log")
	up := newUpstream(t)
	port, dead, admin := freePort(t), freePort(t), freePort(t)
	options := strings.Replace(strings.Replace(as.request("exchange"), "gate-secret", gateSecret, 1), "exchange {",
		"assertion {\nissuer https://gate.example.com\naudience orders\n}\nexchange {", 1)
	text := "{\n" + strings.Replace(globals, "admin off", fmt.Sprintf("admin 127.0.0.1:%d", admin), 1) +
		keptIn(dir) + "log all {\noutput file " + rest + "\nformat json\n}\n}\n" +
		fmt.Sprintf(`http://:%d {
		log {
			output file %s
			format json
		}
		bearer_auth {%s}
		handle /dead {
			reverse_proxy 127.0.0.1:%d
		}
		reverse_proxy %s
	}`, port, access, trusted+options, dead, up.Addr)
	config, err := adapt(text)
	if err != nil {
		t.Fatal(err)
	}
	loadJSON(t, config)
	base := fmt.Sprintf("http://127.0.0.1:%d", port)
	before := get(t, fmt.Sprintf("http://127.0.0.1:%d/metrics", admin), "").Body

	token := mint(t, nil)
	get(t, base+"/", token)
	assertion := up.last().Get("Gatehouse-Assertion")
	if assertion == "" {
		t.Fatal("no assertion at the upstream")
	}
	get(t, base+"/dead", token)
	refused := mint(t, nil)
	as.says(jsonAnswer(400, `{"error":"invalid_grant","error_description":"`+inner+`"}`))
	get(t, base+"/", refused)
	failing := mint(t, nil)
	as.says(jsonAnswer(500, inner))
	get(t, base+"/", failing)
	logLines(t, access, 4)

	for _, file := range []string{access, rest} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for name, hidden := range map[string]string{
			"a client's token": part(token, 2), "a refused one": part(refused, 2), "one that could not be exchanged": part(failing, 2),
			"the assertion": part(assertion, 2), "the exchanged token": inner, "the gate's secret": gateSecret,
		} {
			if strings.Contains(string(text), hidden) {
				t.Errorf("%s shows %s", filepath.Base(file), name)
			}
		}
	}
	after := get(t, fmt.Sprintf("http://127.0.0.1:%d/metrics", admin), "").Body
	for _, outcome := range []string{"ok", "refused", "error"} {
		series := fmt.Sprintf(`gatehouse_upstream_tokens_total{kind="exchange",outcome=%q}`, outcome)
		if got := sample(t, after, series) - sample(t, before, series); got != 1 {
			t.Errorf("%s grew by %v, want 1", series, got)
		}
	}
	if series := `gatehouse_upstream_token_seconds_count{kind="exchange"}`; sample(t, after, series)-sample(t, before, series) != 3 {
		t.Errorf("%s did not grow by 3", series)
	}
}

func part(jwt string, i int) string { return strings.Split(jwt, ".")[i] }

// sample is the value of one series in the text of a scrape.
func sample(t testing.TB, scrape, series string) (value float64) {
	t.Helper()
	_, rest, ok := strings.Cut(scrape, "\n"+series+" ")
	if !ok {
		t.Fatalf("the metrics lack %s", series)
	}
	if _, err := fmt.Sscan(rest, &value); err != nil {
		t.Fatal(err)
	}
	return value
}
