package sqlstore

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

const deleteTerm = `DELETE FROM user_terms WHERE scope = $1 AND value = $2 AND id = $3`

// insertTerms insert as many rows as each says: one statement for many rows
// costs far less than many for one.
var insertTerms = []struct {
	rows int
	text string
}{
	{32, insertTermsText(32)}, {8, insertTermsText(8)}, {1, insertTermsText(1)},
}

func insertTermsText(rows int) string {
	values := make([]string, rows)
	for i := range values {
		values[i] = fmt.Sprintf("($%d, $%d, $%d)", 3*i+1, 3*i+2, 3*i+3)
	}
	return "INSERT INTO user_terms (scope, value, id) VALUES " + strings.Join(values, ", ") + " ON CONFLICT DO NOTHING"
}

// everyone is the attribute, with an empty value, of the term that every user has.
const everyone = ""

// indexTerms are the terms that the index has of u.
func indexTerms(u store.User) []store.Term {
	return append(store.UserTerms(u), store.Term{Attribute: everyone})
}

// termRow is a row of the index.
type termRow struct {
	scope     int64
	value, id string
}

// termChanges are those of the users of one write.
type termChanges struct{ removed, added []termRow }

// change brings the terms of a user from one state to another.
func (c *termChanges) change(environment, id string, from, to []store.Term) {
	row := func(t store.Term) termRow { return termRow{TermScope(environment, t.Attribute), t.Value, id} }
	for _, t := range from {
		if !slices.Contains(to, t) {
			c.removed = append(c.removed, row(t))
		}
	}
	for _, t := range to {
		if !slices.Contains(from, t) {
			c.added = append(c.added, row(t))
		}
	}
}

// statements make the changes in the order of the index, which finds pages in
// memory that it has just had, and has transactions side by side lock rows in one order.
func (c *termChanges) statements() (statements []*Statement) {
	order := func(a, b termRow) int {
		return cmp.Or(cmp.Compare(a.scope, b.scope), cmp.Compare(a.value, b.value), cmp.Compare(a.id, b.id))
	}
	slices.SortFunc(c.removed, order)
	slices.SortFunc(c.added, order)
	for _, r := range c.removed {
		statements = append(statements, &Statement{Text: deleteTerm, Args: []any{r.scope, r.value, r.id}})
	}
	added := c.added
	for _, insert := range insertTerms {
		for len(added) >= insert.rows {
			args := make([]any, 0, 3*insert.rows)
			for _, r := range added[:insert.rows] {
				args = append(args, r.scope, r.value, r.id)
			}
			statements = append(statements, &Statement{Text: insert.text, Args: args})
			added = added[insert.rows:]
		}
	}
	return statements
}

// TermScope is the column scope of the table user_terms: it stands for an
// attribute in an environment ("" for the term that every user has). It is exported for tools that fill a
// database themselves. It is the first 64 bits of a hash. Where two are one, which nobody can bring about on purpose for an
// environment that is not theirs, a walk meets users that it does not look for: those of
// another environment are not found there, and every one that is found is looked at once more.
func TermScope(environment, attribute string) int64 {
	h := sha256.Sum256([]byte(environment + "\x00" + attribute)) // neither has a zero byte
	return int64(binary.BigEndian.Uint64(h[:8]))
}
