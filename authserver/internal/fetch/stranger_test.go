package fetch_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/fetch"
)

// Judged when a connection is made, so a name may resolve to whatever it likes.
func TestCase120StrangersDialThePublicInternetAlone(t *testing.T) {
	listed := []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00:1::/32")}
	tests := []struct {
		name, address string
		networks      []netip.Prefix
		want          bool
	}{
		{"public", "8.8.8.8:443", nil, true},
		{"public IPv6", "[2606:4700::1111]:443", nil, true},
		{"public, mapped", "[::ffff:8.8.8.8]:443", nil, true},
		{"loopback", "127.0.0.1:443", nil, false},
		{"loopback, other", "127.8.9.10:443", nil, false},
		{"loopback IPv6", "[::1]:443", nil, false},
		{"loopback, mapped", "[::ffff:127.0.0.1]:443", nil, false},
		{"this network", "0.0.0.0:443", nil, false},
		{"private 10", "10.0.0.1:443", nil, false},
		{"private 172.31", "172.31.255.255:443", nil, false},
		{"beside private 172", "172.32.0.1:443", nil, true},
		{"private 192.168", "192.168.1.1:443", nil, false},
		{"carrier-grade NAT", "100.127.255.255:443", nil, false},
		{"metadata service", "169.254.169.254:80", nil, false},
		{"test network", "203.0.113.1:443", nil, false},
		{"benchmark network", "198.19.0.1:443", nil, false},
		{"multicast", "224.0.0.1:443", nil, false},
		{"reserved", "240.0.0.1:443", nil, false},
		{"broadcast", "255.255.255.255:443", nil, false},
		{"unique local", "[fd12::1]:443", nil, false},
		{"link-local IPv6", "[fe80::1%eth0]:443", nil, false},
		{"site-local", "[fec0::1]:443", nil, false},
		{"6to4", "[2002:7f00:1::1]:443", nil, false},
		{"NAT64", "[64:ff9b::a00:1]:443", nil, false},
		{"local NAT64", "[64:ff9b:1::1]:443", nil, false},
		{"Teredo", "[2001::1]:443", nil, false},
		{"documentation", "[2001:db8::1]:443", nil, false},
		{"IPv4-compatible", "[::10.0.0.1]:443", nil, false},
		{"IPv4-translated", "[::ffff:0:7f00:1]:443", nil, false},
		{"discard", "[100::1]:443", nil, false},
		{"segments", "[5f00::1]:443", nil, false},
		{"before what is assigned", "[1fff:ffff::1]:443", nil, false},
		{"behind what is assigned", "[4000::1]:443", nil, false},
		{"last of what is assigned, but for documentation", "[3ffe:ffff::1]:443", nil, true},
		{"multicast IPv6", "[ff02::1]:443", nil, false},
		{"listed", "10.1.2.3:443", listed, true},
		{"listed, mapped", "[::ffff:10.1.2.3]:443", listed, true},
		{"listed IPv6", "[fd00:1::5]:443", listed, true},
		{"beside what is listed", "10.2.0.1:443", listed, false},
		{"nonsense", "example.com:443", nil, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := fetch.DialStranger(fetch.Options{StrangerNetworks: tt.networks}, tt.address)
			if got := err == nil; got != tt.want {
				t.Errorf("allowed = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestStrangersAndTheOperatorsOwn(t *testing.T) {
	var served atomic.Int32
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		served.Add(1)
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte("{}"))
	}))
	defer s.Close()
	form := url.Values{"a": {"b"}}

	c := newClient(t, fetch.Options{CA: ca(s)})
	if err := c.Notify(t.Context(), s.URL, form); err != nil {
		t.Errorf("the operator's own address: %v", err)
	}
	before := served.Load()
	if err := c.Strangers().Notify(t.Context(), s.URL, form); err == nil {
		t.Error("a stranger's address on the loopback: no error, want one")
	}
	if _, _, err := c.Strangers().GetJSON(t.Context(), s.URL); err == nil {
		t.Error("a stranger's document on the loopback: no error, want one")
	}
	if served.Load() != before {
		t.Error("the address was contacted")
	}
	if c.Strangers().Strangers() != c.Strangers() {
		t.Error("strangers of strangers are others")
	}

	listed := newClient(t, fetch.Options{ExtraCA: ca(s), StrangerNetworks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	if err := listed.Strangers().Notify(t.Context(), s.URL, form); err != nil {
		t.Errorf("listed: %v", err)
	}
	// It resolves to the loopback, which one of the two families is not listed for; whichever is
	// dialled, nothing else is.
	if _, err := listed.Strangers().CheckURL("https://localhost/"); err != nil {
		t.Errorf("localhost, listed: %v", err)
	}
	if _, err := c.Strangers().CheckURL("https://localhost/"); err == nil {
		t.Error("localhost, not listed: no error, want one")
	}

	t.Run("plain http stays on the loopback and in the list", func(t *testing.T) {
		plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }))
		defer plain.Close()
		for name, tt := range map[string]struct {
			o    fetch.Options
			want bool
		}{
			"neither":        {fetch.Options{}, false},
			"loopback http":  {fetch.Options{InsecureLoopbackHTTP: true}, false},
			"listed":         {fetch.Options{StrangerNetworks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}, false},
			"both":           {fetch.Options{InsecureLoopbackHTTP: true, StrangerNetworks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}, true},
			"another listed": {fetch.Options{InsecureLoopbackHTTP: true, StrangerNetworks: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}, false},
		} {
			err := newClient(t, tt.o).Strangers().Notify(t.Context(), plain.URL, form)
			if got := err == nil; got != tt.want {
				t.Errorf("%s: allowed = %v, want %v (%v)", name, got, tt.want, err)
			}
		}
	})
}

func TestUnreadableExtraCA(t *testing.T) {
	if _, err := fetch.NewClient(fetch.Options{ExtraCA: []byte("garbage")}); err == nil {
		t.Error("no error, want one")
	}
}

func TestNotify(t *testing.T) {
	var redirected atomic.Bool
	mux := http.NewServeMux()
	statuses := []int{200, 201, 204, 299, 300, 301, 302, 307, 308, 400, 404, 500, 503}
	for _, status := range statuses {
		mux.HandleFunc("/"+strconv.Itoa(status), func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodPost || r.FormValue("a") != "b" || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
				t.Errorf("%s %s, want the form posted", r.Method, r.Header.Get("Content-Type"))
			}
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(status)
		})
	}
	mux.HandleFunc("/elsewhere", func(http.ResponseWriter, *http.Request) { redirected.Store(true) })
	mux.HandleFunc("/endless", func(w http.ResponseWriter, _ *http.Request) {
		for range 1 << 10 {
			if _, err := w.Write(make([]byte, 1<<10)); err != nil {
				return
			}
		}
	})
	s := httptest.NewTLSServer(mux)
	defer s.Close()
	c := newClient(t, fetch.Options{CA: ca(s)})
	form := url.Values{"a": {"b"}}
	for _, status := range statuses {
		err := c.Notify(t.Context(), s.URL+"/"+strconv.Itoa(status), form)
		if got, want := err == nil, status < 300; got != want {
			t.Errorf("%d: success = %v, want %v (%v)", status, got, want, err)
		}
	}
	if redirected.Load() {
		t.Error("a redirect was followed")
	}
	start := time.Now()
	if err := c.Notify(t.Context(), s.URL+"/endless", form); err != nil || time.Since(start) > 5*time.Second {
		t.Errorf("a long answer: %v after %v, want it left unread", err, time.Since(start))
	}
	gone := httptest.NewTLSServer(nil)
	at := gone.URL + "/?secret=s3cr3t"
	gone.Close()
	for _, target := range []string{at, "https://a:s3cr3t@example.com/", "http://example.com/?s3cr3t"} {
		if err := c.Notify(t.Context(), target, form); err == nil || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("error = %v, want one that does not repeat the address", err)
		}
	}
}
