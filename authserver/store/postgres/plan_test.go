package postgres_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/store/postgres"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/sqlstore"
	"github.com/caddy-gatehouse/gatehouse/integration/pgtest"
)

// byEnvironment is an index used with no condition but the environment.
var byEnvironment = regexp.MustCompile(`Index Cond: \(environment = [^ ]*\)(\n|$)`)

// parameters counts those of a statement.
func parameters(text string) int {
	for n := 1; ; n++ {
		if !strings.Contains(text, fmt.Sprint("$", n)) {
			return n - 1
		}
	}
}

// Every statement can find its rows by an index, in the order it needs, with
// the plan that is made once for all arguments; and a token is looked for in
// one partition.
func TestPlans(t *testing.T) {
	dsn := pgtest.Database(t)
	if err := open(t, dsn).Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	// In an empty table every index is as good as the other.
	pgtest.Exec(t, dsn, `INSERT INTO families (environment, id, client_id, subject, session, data, created_at, expires_at, kept_until, ended)
SELECT 'e', i, 'c' || i % 10, 's' || i % 100, 'sid' || i, '', i, i, i, 0 FROM generate_series(1, 2000) AS i`)
	texts := sqlstore.Texts(postgres.Dialect)
	arguments := map[string]string{
		"accessTokenByID":             "'e', 'i', extract(epoch FROM now())::bigint",
		"accessTokenEnvironment":      "'i', extract(epoch FROM now())::bigint",
		"accessTokensByClient":        "'e', 'c', '', 0, 10",
		"accessTokensBySubject":       "'e', 's', '', 0, 10",
		"accessTokensByBoth":          "'e', 's', '', 0, 10, 'c'",
		"neededRevocations":           "0",
		"readKeyRing":                 "'e'",
		"replaceKeyRing":              "'e', '', 1",
		"notifyRevocation":            "'e', 'k', 'v'",
		"sweep access_tokens_default": "0, 10",
		"sweep revocations":           "0, 10",
		"sweep spent":                 "0, 10",
	}
	for name := range arguments {
		if texts[name] == "" {
			t.Errorf("there is no statement %s", name)
		}
	}
	for name, text := range texts {
		args := arguments[name]
		if args == "" { // its plan does not depend on them
			args = strings.TrimSuffix(strings.Repeat("NULL, ", parameters(text)), ", ")
		}
		// As every connection of the store has it.
		plan := pgtest.Exec(t, dsn, fmt.Sprintf(`SET enable_seqscan = off; SET enable_sort = off; SET enable_bitmapscan = off;
SET plan_cache_mode = force_generic_plan; PREPARE s AS %s; EXPLAIN (COSTS off) EXECUTE s(%s)`, text, args))
		// The one family of an ID may be sorted.
		if strings.Contains(plan, "Seq Scan") || strings.Contains(plan, "Sort\n") && name != "listFamiliesByID" {
			t.Errorf("%s: no index serves it:\n%s", name, plan)
		}
		// There are no statistics here, as in a young database: the planner must not
		// be content with the environment.
		if byEnvironment.MatchString(plan) && !strings.HasSuffix(name, "KeyRing") && name != "objectsVersion" {
			t.Errorf("%s: rows are looked for by environment alone:\n%s", name, plan)
		}
		if n := strings.Count(plan, " Scan using "); (name == "accessTokenByID" || name == "accessTokenEnvironment") && (n != 1 || !strings.Contains(plan, "Subplans Removed")) {
			t.Errorf("%s: %d tables are looked into, want 1:\n%s", name, n, plan)
		}
	}
}
