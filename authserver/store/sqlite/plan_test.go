package sqlite_test

import (
	"database/sql"
	"strings"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/store/sqlite"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/sqlstore"
)

// Every statement finds its rows by an index, in the order it needs: at a
// million tokens nothing may read them all.
func TestPlans(t *testing.T) {
	path := newPath(t)
	if err := sqlite.MigrateTo(t.Context(), path, 0); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	want := map[string]string{
		"accessTokenByID":       "USING PRIMARY KEY (id=? AND environment=?)",
		"accessTokensByClient":  "USING INDEX access_tokens_client (environment=? AND client_id=? AND id>?)",
		"accessTokensBySubject": "USING INDEX access_tokens_subject (environment=? AND subject=? AND id>?)",
		"accessTokensByBoth":    "USING INDEX access_tokens_subject (environment=? AND subject=? AND id>?)",
		"neededRevocations":     "USING INDEX revocations_expires (expires_at>?)",
		"readKeyRing":           "USING PRIMARY KEY (environment=?)",
		"replaceKeyRing":        "USING PRIMARY KEY (environment=?)",
		"takeTicket":            "sqlite_autoindex_tickets_1 (hash=? AND kind=? AND environment=?)",
		"listSessions":          "sessions_subject (subject=? AND environment=?)",
		"rotateToken":           "sqlite_autoindex_refresh_tokens_1 (hash=? AND environment=?)",
		"listFamiliesByClient":  "families_client (client_id=? AND environment=?)",
		"listFamiliesBySubject": "families_subject (subject=? AND environment=?)",
		"endFamiliesBySession":  "families_session (session=? AND environment=?)",
		"claimDeliveries":       "deliveries_due (kind=? AND next_at<?)",
		"sweep tickets":         "tickets_kept (kept_until<?)",
		"sweep flows":           "flows_expires (expires_at<?)",
		"sweep sessions":        "sessions_expires (expires_at<?)",
		"sweep families":        "families_kept (kept_until<?)",
		"sweep refresh_tokens":  "refresh_tokens_expires (expires_at<?)",
		"sweep deliveries":      "deliveries_expires (expires_at<?)",
		"sweep access_tokens":   "access_tokens_expires (expires_at<?)",
		"sweep revocations":     "revocations_expires (expires_at<?)",
		"sweep spent":           "spent_expires (expires_at<?)",
	}
	texts := sqlstore.Texts(sqlite.Dialect)
	for name := range want {
		if texts[name] == "" {
			t.Errorf("there is no statement %s", name)
		}
	}
	for name, text := range texts {
		rows, err := db.Query("EXPLAIN QUERY PLAN "+text, make([]any, strings.Count(text, "$"))...)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var plan []string
		for rows.Next() {
			var id, parent, unused int
			var detail string
			if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
				t.Fatal(err)
			}
			plan = append(plan, detail)
		}
		rows.Close()
		got := strings.Join(plan, "; ")
		if strings.Contains(got, "SCAN") || strings.Contains(got, "TEMP B-TREE") {
			t.Errorf("%s: plan = %s, want no scan and no sorting", name, got)
		}
		if !strings.Contains(got, want[name]) {
			t.Errorf("%s: plan = %s, want %s in it", name, got, want[name])
		}
	}
}
