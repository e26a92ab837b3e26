package caddymodule_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestAttack90ExchangesThroughTheGate: an event stream and a WebSocket end with their token, whatever the upstream still has to say, and metrics tell of it.
func TestAttack90ExchangesThroughTheGate(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" {
			echo(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		for r.Context().Err() == nil {
			fmt.Fprint(w, "data: x\n\n")
			_ = http.NewResponseController(w).Flush()
			time.Sleep(20 * time.Millisecond)
		}
	}))
	t.Cleanup(s.CloseClientConnections)
	const is = "https://streams.example.com"
	port, admin := freePort(t), freePort(t)
	config, err := adapt(fmt.Sprintf(`{
		%s
		admin 127.0.0.1:%d
	}
	http://:%d {
		bearer_auth {%s}
		reverse_proxy %s
	}`, strings.Replace(globals, "admin off", "", 1), admin, port,
		strings.Replace(strings.ReplaceAll(trusted, issuer, is), "algorithms HS256", "algorithms HS256\nclock_skew 0s", 1), s.Listener.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	loadJSON(t, config)
	base := fmt.Sprintf("http://127.0.0.1:%d", port)
	end := time.Now().Add(5 * time.Second).Truncate(time.Second) // both begin before it, on a busy machine too
	token := mint(t, map[string]any{"iss": is, "exp": end.Unix(), "iat": end.Unix() - 10})

	conn, words := upgrade(t, base, token)
	fmt.Fprint(conn, "hello\n")
	if line, _ := words.ReadString('\n'); line != "hello\n" {
		t.Fatalf("echo = %q", line)
	}
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/events", nil)
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := client.Do(req)
	if err != nil || res.StatusCode != 200 || res.Header.Get("Cache-Control") != "private" {
		t.Fatalf("events: %v (%v)", res, err)
	}
	defer res.Body.Close()
	events := bufio.NewReader(res.Body)
	if _, err := events.ReadString('\n'); err != nil {
		t.Fatal(err)
	}

	_ = conn.SetReadDeadline(end.Add(5 * time.Second))
	if _, err := io.Copy(io.Discard, events); err == nil {
		t.Error("the event stream ended as if it were whole")
	}
	if late := time.Since(end); late < -100*time.Millisecond || late > 2*time.Second {
		t.Errorf("the event stream ended %v after its token", late)
	}
	if line, err := words.ReadString('\n'); err == nil {
		t.Errorf("the WebSocket says %q", line)
	}
	if late := time.Since(end); late > 2*time.Second {
		t.Errorf("the WebSocket ended %v after its token", late)
	}
	want := fmt.Sprintf("gatehouse_streams_ended_total{issuer=%q,reason=\"expired\"} 2", is)
	var metrics string
	for range 500 {
		if metrics = get(t, fmt.Sprintf("http://127.0.0.1:%d/metrics", admin), "").Body; strings.Contains(metrics, want) {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if !strings.Contains(metrics, want) || !strings.Contains(metrics, "gatehouse_stream_end_lag_seconds_count") {
		t.Errorf("metrics lack %s", want)
	}
}

// TestShadowEndsNoExchange: who would be let in without a good token is not sent away for losing one.
func TestShadowEndsNoExchange(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for range 40 {
			fmt.Fprint(w, "x\n")
			_ = http.NewResponseController(w).Flush()
			time.Sleep(50 * time.Millisecond)
		}
	}))
	t.Cleanup(s.Close)
	port := freePort(t)
	load(t, "", fmt.Sprintf(`http://:%d {
		bearer_auth {%s
			shadow
		}
		reverse_proxy %s
	}`, port, strings.Replace(trusted, "algorithms HS256", "algorithms HS256\nclock_skew 0s", 1), s.Listener.Addr()))
	token := mint(t, map[string]any{"exp": time.Now().Add(time.Second).Unix()})
	if got := get(t, fmt.Sprintf("http://127.0.0.1:%d/", port), token); got.Status != 200 || strings.Count(got.Body, "x\n") != 40 {
		t.Errorf("answer = %d with %d lines, want 200 with 40", got.Status, strings.Count(got.Body, "x\n"))
	}
}
