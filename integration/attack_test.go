package integration_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// The attack cases are numbered as in the project's catalogue of attacks. Each
// sends bad inputs to the real binary, expects one answer, and checks what holds
// for every case: the upstream is not contacted, exactly one counter with a
// reason moves, the answer is quick and does not repeat the token. Beside them,
// the nearest good input passes.

// verdict is what the catalogue expects of the gate.
type verdict struct {
	status int
	code   string // error attribute of the challenge; "" means that there is none
}

var (
	r0   = verdict{401, ""}
	r400 = verdict{400, "invalid_request"}
	r401 = verdict{401, "invalid_token"}
	r403 = verdict{403, "insufficient_scope"}
	r503 = verdict{503, ""}
)

const decisionsFamily = "gatehouse_decisions_total"

// decisions gives the decision counters by reason.
func (n *node) decisions(t testing.TB) map[string]float64 {
	t.Helper()
	got := map[string]float64{}
	for _, m := range n.metrics(t)[decisionsFamily].GetMetric() {
		for _, l := range m.GetLabel() {
			if l.GetName() == "reason" {
				got[l.GetValue()] += m.GetCounter().GetValue()
			}
		}
	}
	return got
}

// refuses sends a bad input and checks the verdict and the invariants.
func (n *node) refuses(t testing.TB, want verdict, token string, send func() answer) {
	t.Helper()
	upstream, counters := n.upstream.count(), n.decisions(t)
	began := time.Now()
	a := send()
	took := time.Since(began)
	n.checkVerdict(t, want, a, token)
	if got := n.upstream.count() - upstream; got != 0 {
		t.Errorf("the upstream was contacted %d times", got)
	}
	var moved []string
	for reason, value := range n.decisions(t) {
		if d := value - counters[reason]; d != 0 {
			moved = append(moved, fmt.Sprintf("%s+%v", reason, d))
		}
	}
	if len(moved) != 1 || !strings.HasSuffix(moved[0], "+1") || strings.HasPrefix(moved[0], "allowed") {
		t.Errorf("counters that moved = %v, want one, by one", moved)
	}
	if took > 6*time.Second {
		t.Errorf("the answer took %v", took)
	}
}

func (n *node) checkVerdict(t testing.TB, want verdict, a answer, token string) {
	t.Helper()
	challenge := a.challenge()
	if a.status != want.status {
		t.Errorf("status = %d %s, want %d", a.status, challenge, want.status)
	}
	if want.code != "" && !strings.Contains(challenge, `error="`+want.code+`"`) {
		t.Errorf("challenge = %q, want error %s", challenge, want.code)
	}
	if want.code == "" && strings.Contains(challenge, "error=") {
		t.Errorf("challenge = %q, want no error", challenge)
	}
	if want.status == 401 && !strings.HasPrefix(challenge, "Bearer") {
		t.Errorf("challenge = %q, want Bearer", challenge)
	}
	if want.status == 503 && a.header.Get("Retry-After") == "" {
		t.Errorf("503 without Retry-After")
	}
	if len(token) > 8 {
		all := a.body + fmt.Sprint(a.header)
		if strings.Contains(all, token[:min(len(token), 4000)]) {
			t.Errorf("the answer repeats the token")
		}
	}
}

// passes sends a good input and checks that it reached the upstream once.
func (n *node) passes(t testing.TB, send func() answer) answer {
	t.Helper()
	before := n.upstream.count()
	a := send()
	if a.status != 200 {
		t.Errorf("the good input: status = %d %s %.200s, want 200", a.status, a.challenge(), a.body)
	}
	if got := n.upstream.count() - before; got != 1 {
		t.Errorf("the good input reached the upstream %d times, want once", got)
	}
	return a
}

// tokens runs named bad tokens against a site. Those that look like secrets are
// searched for in the logs afterwards.
func (n *node) refusesTokens(t *testing.T, want verdict, port string, bad map[string]string) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(bad)) {
		token := bad[name]
		t.Run(name, func(t *testing.T) {
			if len(token) > 40 && len(token) < 8000 {
				n.secret("the token of "+t.Name(), token)
			}
			n.refuses(t, want, token, func() answer { return n.call(t, port, "/", token) })
		})
	}
}
