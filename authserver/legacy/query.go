package legacy

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
)

// crestQuery are the parameters of CREST (section 4), read and checked.
type crestQuery struct {
	action, filter, id string
	has                map[string]bool // which of the parameters were sent at all
	fields             []string
	pretty             bool
	pageSize           int    // 0: not asked for
	cookie             string // _pagedResultsCookie
	offset             int
	totals             string // "NONE" (default), "ESTIMATE", "EXACT"
	sortKeys           []string
}

// The parameters of CREST. Every other one that begins with "_" is refused: it
// would be a mistake, or of a dialect that is not spoken here.
const (
	paramAction     = "_action"
	paramFilter     = "_queryFilter"
	paramID         = "_queryId"
	paramExpression = "_queryExpression"
	paramFields     = "_fields"
	paramPretty     = "_prettyPrint"
	paramPageSize   = "_pageSize"
	paramCookie     = "_pagedResultsCookie"
	paramOffset     = "_pagedResultsOffset"
	paramTotals     = "_totalPagedResultsPolicy"
	paramSortKeys   = "_sortKeys"
)

const (
	// maxQuery bounds a query string, in bytes.
	maxQuery = web.MaxForm
	// maxNames bounds how many fields or sort keys are named.
	maxNames = 100
	// maxOffset bounds _pageSize and _pagedResultsOffset.
	maxOffset = 1 << 31
)

// readValues reads the query strictly: what net/url would leave out silently is refused.
func (c *call) readValues() error {
	if len(c.r.URL.RawQuery) > maxQuery {
		return c.badRequest("The query is too long")
	}
	values, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		return c.badRequest("The query is malformed")
	}
	c.values = values
	return nil
}

// readCREST reads them from the query into c.query: 400 for what is malformed, repeated, or an unknown "_" parameter.
func (c *call) readCREST() error {
	q := &c.query
	q.has, q.totals = map[string]bool{}, "NONE"
	for name, values := range c.values {
		if !strings.HasPrefix(name, "_") {
			continue
		}
		read, ok := crestParams[name]
		switch {
		case !ok:
			return crest(http.StatusBadRequest, "The query has a parameter that is not known")
		case len(values) != 1:
			return crest(http.StatusBadRequest, "The parameter "+name+" is there more than once")
		case strings.ContainsRune(values[0], 0) || !read(q, values[0]):
			return crest(http.StatusBadRequest, "The parameter "+name+" is malformed")
		}
		q.has[name] = true
	}
	if q.has[paramCookie] && q.offset > 0 {
		return crest(http.StatusBadRequest, "_pagedResultsCookie and _pagedResultsOffset exclude each other")
	}
	return nil
}

// crestParams reads each parameter; false is malformed.
var crestParams = map[string]func(q *crestQuery, value string) bool{
	paramAction:     func(q *crestQuery, v string) bool { q.action = v; return v != "" },
	paramFilter:     func(q *crestQuery, v string) bool { q.filter = v; return v != "" },
	paramID:         func(q *crestQuery, v string) bool { q.id = v; return v != "" },
	paramExpression: func(_ *crestQuery, v string) bool { return v != "" },
	paramFields:     func(q *crestQuery, v string) (ok bool) { q.fields, ok = names(v); return ok },
	paramSortKeys:   func(q *crestQuery, v string) (ok bool) { q.sortKeys, ok = names(v); return ok },
	paramPretty: func(q *crestQuery, v string) bool {
		q.pretty = strings.EqualFold(v, "true")
		return q.pretty || strings.EqualFold(v, "false")
	},
	paramPageSize: func(q *crestQuery, v string) (ok bool) { q.pageSize, ok = count(v); return ok },
	paramOffset:   func(q *crestQuery, v string) (ok bool) { q.offset, ok = count(v); return ok },
	paramCookie:   func(q *crestQuery, v string) bool { q.cookie = v; return true },
	paramTotals: func(q *crestQuery, v string) bool {
		q.totals = strings.ToUpper(v)
		return slices.Contains([]string{"NONE", "ESTIMATE", "EXACT"}, q.totals)
	},
}

// names reads a list with commas, of JSON pointers whose first slash may be left
// out. Empty names are none.
func names(list string) ([]string, bool) {
	var found []string
	for name := range strings.SplitSeq(list, ",") {
		if name = strings.TrimSpace(name); name != "" {
			found = append(found, name)
		}
		if len(found) > maxNames {
			return nil, false
		}
	}
	return found, true
}

// count reads a number that is not negative.
func count(text string) (int, bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || n >= maxOffset || strings.HasPrefix(text, "+") {
		return 0, false
	}
	return int(n), true
}

// selector is the one query selector that a request has; 400 for none or several (section 4).
func (q *crestQuery) selector() (string, error) {
	found := ""
	for _, name := range []string{paramFilter, paramID, paramExpression} {
		if q.has[name] {
			if found != "" {
				return "", crest(http.StatusBadRequest, "A query has one of _queryFilter, _queryId and _queryExpression")
			}
			found = name
		}
	}
	if found == "" {
		return "", crest(http.StatusBadRequest, "A query has one of _queryFilter, _queryId and _queryExpression")
	}
	return found, nil
}
