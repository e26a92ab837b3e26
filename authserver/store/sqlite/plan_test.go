package sqlite_test

import (
	"database/sql"
	"regexp"
	"strings"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/store/sqlite"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/sqlstore"
)

// scan is one of a table. One of a subquery under an alias of one letter reads
// what an index has found.
var scan = regexp.MustCompile(`SCAN [a-z_]{2}`)

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
		"accessTokenByID":        "USING PRIMARY KEY (id=? AND environment=?)",
		"accessTokenEnvironment": "USING COVERING INDEX access_tokens_expires (expires_at=? AND id=?)",
		"accessTokensByClient":   "USING INDEX access_tokens_client (environment=? AND client_id=? AND id>?)",
		"accessTokensBySubject":  "USING INDEX access_tokens_subject (environment=? AND subject=? AND id>?)",
		"accessTokensByBoth":     "USING INDEX access_tokens_subject (environment=? AND subject=? AND id>?)",
		"neededRevocations":      "USING INDEX revocations_expires (expires_at>?)",
		"readKeyRing":            "USING PRIMARY KEY (environment=?)",
		"replaceKeyRing":         "USING PRIMARY KEY (environment=?)",
		"takeTicket":             "sqlite_autoindex_tickets_1 (hash=? AND kind=? AND environment=?)",
		"listSessions":           "sessions_subject (subject=? AND environment=?)",
		"rotateToken":            "sqlite_autoindex_refresh_tokens_1 (hash=? AND environment=?)",
		"listFamiliesByClient":   "families_client (client_id=? AND environment=? AND id>?); SEARCH t USING INDEX refresh_tokens_newest (family=? AND environment=? AND expires_at>?)",
		"listFamiliesBySubject":  "families_subject (subject=? AND environment=? AND id>?); SEARCH t USING INDEX refresh_tokens_newest (family=? AND environment=? AND expires_at>?)",
		"listFamiliesBySession":  "families_session (session=? AND environment=? AND id>?); SEARCH t USING INDEX refresh_tokens_newest",
		"endFamiliesBySession":   "families_session (session=? AND environment=?)",
		"claimDeliveries":        "deliveries_due (kind=? AND next_at<?)",
		"objectByID":             "sqlite_autoindex_objects_1 (kind=? AND environment=? AND id=?)",
		"listRegisteredClients":  "registered_clients_environment (environment=? AND id>?)",
		"listObjects":            "sqlite_autoindex_objects_1 (kind=? AND environment=? AND id>?)",
		"listEnvironments":       "sqlite_autoindex_objects_1 (kind=? AND environment>?)",
		"listObjectsOf":          "objects_parent (parent=? AND environment=? AND kind=? AND id>?)",
		"childrenOf":             "objects_parent (parent=? AND environment=?)",
		"objectsByKey":           "USING PRIMARY KEY (hash=? AND kind=? AND environment=?)",
		"deleteObjectKeys":       "object_keys_object (id=? AND kind=? AND environment=?)",
		"listEvents":             "events_environment (environment=? AND id<?)",
		"listEventsOfObject":     "events_object (object=? AND environment=? AND id<?)",
		"scanUsersByValue":       "USING PRIMARY KEY (scope=? AND value=? AND id>?); SCAN t; SEARCH u USING INDEX sqlite_autoindex_users_1 (id=? AND environment=?)",
		"scanUsersInRange":       "USING PRIMARY KEY (scope=? AND (value,id)>(?,?) AND value<?); SCAN t; SEARCH u",
		"credentialsOf100":       "USING PRIMARY KEY (subject=? AND environment=?)",
		"countTerms":             "USING PRIMARY KEY (scope=? AND value=?)",
		"usersWithoutTerms":      "USING INDEX users_without_terms",
		"purge events":           "events_environment (environment=? AND id>? AND id<?)",
		"purge sessions":         "(id>? AND id<?)",
		"sweep events":           "events_expires (expires_at<?)",
		"sweep tickets":          "tickets_kept (kept_until<?)",
		"sweep flows":            "flows_expires (expires_at<?)",
		"sweep sessions":         "sessions_expires (expires_at<?)",
		"sweep families":         "families_kept (kept_until<?)",
		"sweep refresh_tokens":   "refresh_tokens_expires (expires_at<?)",
		"sweep deliveries":       "deliveries_expires (expires_at<?)",
		"sweep access_tokens":    "access_tokens_expires (expires_at<?)",
		"sweep revocations":      "revocations_expires (expires_at<?)",
		"sweep spent":            "spent_expires (expires_at<?)",
	}
	texts := sqlstore.Texts(sqlite.Dialect)
	for name := range want {
		if texts[name] == "" {
			t.Errorf("there is no statement %s", name)
		}
	}
	for name, text := range texts {
		plan, err := planOf(db, text)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got := strings.Join(plan, "; ")
		if scan.MatchString(got) || strings.Contains(got, "TEMP B-TREE") {
			t.Errorf("%s: plan = %s, want no scan and no sorting", name, got)
		}
		if !strings.Contains(got, want[name]) {
			t.Errorf("%s: plan = %s, want %s in it", name, got, want[name])
		}
	}
}

// planOf asks SQLite what it would do for a statement.
func planOf(db *sql.DB, text string) (plan []string, err error) {
	rows, err := db.Query("EXPLAIN QUERY PLAN "+text, make([]any, strings.Count(text, "$"))...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			return nil, err
		}
		plan = append(plan, detail)
	}
	return plan, rows.Err()
}
