package legacy

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/pattern"
)

// headerVersion is how clients say which version of a resource they speak: "resource=2.0, protocol=1.0".
const headerVersion = "Accept-API-Version"

// version of a resource.
type version struct{ major, minor int }

func (v version) String() string { return strconv.Itoa(v.major) + "." + strconv.Itoa(v.minor) }

var versionNumber = pattern.New(`^([0-9]{1,3})(?:\.([0-9]{1,3}))?$`)

// parseVersion reads "2.1" or "2".
func parseVersion(text string) (version, bool) {
	m := versionNumber.FindStringSubmatch(text)
	if m == nil {
		return version{}, false
	}
	major, _ := strconv.Atoi(m[1])
	minor, _ := strconv.Atoi(m[2]) // "" is 0
	return version{major, minor}, true
}

// protocols are the versions of CREST itself that clients name; they make no difference here.
var protocols = []version{{1, 0}, {2, 0}, {2, 1}, {2, 2}}

// version picks the version to speak: of those served (oldest first) the newest one with the
// major number that was asked for, or the newest of all where the client did not say. One that is not
// served is 404, whose message has nothing but numbers of the request (3.3).
func (c *call) version(served ...version) (version, error) {
	newest := served[len(served)-1]
	asked := c.r.Header.Values(headerVersion)
	switch {
	case len(asked) == 0:
		return newest, nil
	case len(asked) > 1:
		return newest, malformedVersion()
	}
	found := newest
	seen := map[string]bool{}
	for part := range strings.SplitSeq(asked[0], ",") {
		name, number, _ := strings.Cut(strings.TrimSpace(part), "=")
		name = strings.ToLower(strings.TrimSpace(name))
		v, ok := parseVersion(strings.TrimSpace(number))
		if !ok || seen[name] {
			return newest, malformedVersion()
		}
		seen[name] = true
		switch name {
		case "protocol":
			if !slices.Contains(protocols, v) {
				return newest, noVersion("Protocol", v)
			}
		case "resource":
			found = version{-1, 0}
			for _, s := range served {
				if s.major == v.major && s.minor >= v.minor {
					found = s
				}
			}
			if found.major < 0 {
				return newest, noVersion("Resource", v)
			}
		default:
			return newest, malformedVersion()
		}
	}
	return found, nil
}

func malformedVersion() error {
	return crest(http.StatusBadRequest, "Accept-API-Version is malformed")
}

func noVersion(of string, v version) error {
	e := crest(http.StatusNotFound, of+` version "`+v.String()+`" is not served`)
	e.Reason = "version"
	return e
}
