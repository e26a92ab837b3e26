package management_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
)

// columns are the callers of the matrix, each with one role on the environment:
//
//	O Organization Admin           E Environment Admin         I Identity Data Admin
//	D Client Application Developer H Help Desk Admin           R Identity Data Read Only
//	C Configuration Read Only      U Custom Roles Admin
var columns = map[string]string{
	"O": organizationAdmin, "E": environmentAdmin, "I": identityAdmin, "D": developer, "H": helpDesk, "R": identityReader,
	"C": configurationReader, "U": customRolesAdmin,
}

// matrix says who may call what: each route by its name. p is Identity Data
// Admin of one population, a is Application Owner of one application: to them
// what is outside is not there. Who is not named gets 403.
var matrix = map[string]string{
	"organization.list": "OEIDHRCUpa",
	"organization.read": "OEIDHRCUpa",
	"license.list":      "OEIDHRCUpa",
	"license.read":      "OEIDHRCUpa",
	"role.list":         "OEIDHRCUpa",
	"role.read":         "OEIDHRCUpa",

	"environment.list":       "OEIDHRCUpa",
	"environment.read":       "OEIDHRCUpa",
	"environment.create":     "O",
	"environment.update":     "OE",
	"environment.updateType": "OE",
	"environment.delete":     "O",
	"billOfMaterials.read":   "OEIDHRCUpa",
	"billOfMaterials.update": "OE",
	"environment.export":     "OE", // without people
	"environment.import":     "",   // a file may have everything: it takes a role on people as well
	"activity.list":          "OEIC",
	"activity.read":          "OEIC",

	"applicationRoleAssignment.list":   "OEICU",
	"applicationRoleAssignment.read":   "OEICU",
	"applicationRoleAssignment.create": "OEI",
	"applicationRoleAssignment.delete": "OEI",
	"userRoleAssignment.list":          "OEICUp",
	"userRoleAssignment.read":          "OEICUp",
	"userRoleAssignment.create":        "OEIp",
	"userRoleAssignment.delete":        "OEIp",

	"application.list":                 "OEDCa",
	"application.create":               "OED",
	"application.read":                 "OEDCa",
	"application.update":               "OEDa",
	"application.delete":               "OED",
	"applicationAttribute.list":        "OEDCa",
	"applicationAttribute.create":      "OEDa",
	"applicationAttribute.read":        "OEDCa",
	"applicationAttribute.update":      "OEDa",
	"applicationAttribute.delete":      "OEDa",
	"grant.list":                       "OEDCa",
	"grant.create":                     "OEDa",
	"grant.read":                       "OEDCa",
	"grant.update":                     "OEDa",
	"grant.delete":                     "OEDa",
	"applicationSecret.read":           "OEDa",
	"applicationSecret.rotate":         "OEDa",
	"applicationSecret.deletePrevious": "OEDa",

	"resource.list":                 "OEDC",
	"resource.create":               "OED",
	"resource.read":                 "OEDC",
	"resource.update":               "OED",
	"resource.delete":               "OED",
	"scope.list":                    "OEDC",
	"scope.create":                  "OED",
	"scope.read":                    "OEDC",
	"scope.update":                  "OED",
	"scope.delete":                  "OED",
	"resourceAttribute.list":        "OEDC",
	"resourceAttribute.create":      "OED",
	"resourceAttribute.read":        "OEDC",
	"resourceAttribute.update":      "OED",
	"resourceAttribute.delete":      "OED",
	"resourceSecret.read":           "OED",
	"resourceSecret.rotate":         "OED",
	"resourceSecret.deletePrevious": "OED",

	"population.list":                           "OEIDHRCp",
	"population.create":                         "OEI",
	"population.read":                           "OEIDHRCp",
	"population.update":                         "OEIp",
	"population.delete":                         "OEIp",
	"population.defaultIdentityProvider.read":   "OEIDHRCp",
	"population.defaultIdentityProvider.update": "OEIp",
	"passwordPolicy.list":                       "OEIDHRCp",
	"passwordPolicy.read":                       "OEIDHRCp",

	"user.list":                    "IHRp",
	"user.create":                  "Ip",
	"user.read":                    "IHRp",
	"user.update":                  "Ip",
	"user.patch":                   "Ip",
	"user.delete":                  "Ip",
	"user.lock":                    "IHp",
	"user.enabled.read":            "IHRp",
	"user.enabled.update":          "Ip",
	"user.mfaEnabled.read":         "IHRp",
	"user.mfaEnabled.update":       "Ip",
	"user.identityProvider.read":   "IHRp",
	"user.identityProvider.update": "Ip",
	"user.verifyStatus.read":       "IHRp",
	"user.verifyStatus.update":     "Ip",
	"user.population.read":         "IHRp",
	"user.population.update":       "Ip",
	"user.device.list":             "IHRp",
	"password.read":                "IHRp",
	"password.update":              "IHp",
	"password.act":                 "Ip", // a check of a password; the others have roles of their own
	"session.list":                 "IHRp",
	"session.deleteAll":            "IHp",
	"session.readOfUser":           "IHRp",
	"session.deleteOfUser":         "IHp",
	"session.read":                 "IHRp",
	"session.delete":               "IHp",
	"consent.list":                 "IHRp",
	"consent.read":                 "IHRp",
	"consent.delete":               "Ip",

	"subscription.list":          "OEC",
	"subscription.create":        "OE",
	"subscription.read":          "OEC",
	"subscription.update":        "OE",
	"subscription.delete":        "OE",
	"subscription.secret.read":   "OE",
	"subscription.secret.rotate": "OE",
	"subscription.secret.delete": "OE",

	"key.list":                 "OEDC",
	"key.create":               "OED",
	"key.read":                 "OEDC",
	"key.update":               "OED",
	"key.delete":               "OED",
	"key.applications":         "OEDC",
	"key.csr.read":             "OEDC",
	"key.csr.create":           "OED",
	"key.csr.update":           "OED",
	"keyRotationPolicy.list":   "OEDC",
	"keyRotationPolicy.create": "OED",
	"keyRotationPolicy.read":   "OEDC",
	"keyRotationPolicy.update": "OED",
	"keyRotationPolicy.delete": "OED",
}

// mark is in the name of everything that the matrix makes, and in no refusal.
const mark = "zebra"

// world is an environment in which there is one of everything.
type world struct {
	*kit
	own, other map[string]string // variables of paths: what p and a administer, and what they do not
	p, a       string            // workers
}

func newWorld(t testing.TB) *world {
	k := newKit(t)
	w := &world{kit: k, own: map[string]string{}, other: map[string]string{}}
	for _, vars := range []map[string]string{w.own, w.other} {
		name := mark + "-" + string(rune('a'+len(vars)))
		if len(w.own) > 0 {
			name += "-other"
		}
		w.populate(vars, name)
	}
	w.p, w.a = k.worker("p"), k.worker("a")
	k.as(root).post("/{env}/applications/"+w.p+"/roleAssignments", assign(directory.RoleIdentityDataAdmin, "POPULATION", w.own["populationID"])).is(201)
	// Nobody has that of one application by a larger role but who could do all of it.
	k.as(root).post("/{env}/applications/"+w.a+"/roleAssignments", assign(directory.RoleApplicationOwner, "APPLICATION", w.own["applicationID"])).is(201)
	return w
}

// populate makes one of everything.
func (w *world) populate(vars map[string]string, name string) {
	post := func(path string, body any) string { return w.as(root).post(path, body).is(201).text("id") }
	first := func(path, collection string) string {
		for _, it := range w.as(root).page(path, collection, 500) {
			return it["id"].(string)
		}
		return nothing
	}
	vars["environmentID"], vars["organizationID"] = home, organizationID
	vars["roleID"], vars["licenseID"] = "29ddce68-cd7f-4b2a-b6fc-f7a19553b496", directory.LicenseID(organizationID)
	vars["applicationID"] = post("/{env}/applications", workerBody(name, true))
	application := "/{env}/applications/" + vars["applicationID"]
	vars["resourceID"] = post("/{env}/resources", `{"name":"`+name+`"}`)
	resource := "/{env}/resources/" + vars["resourceID"]
	vars["scopeID"] = post(resource+"/scopes", `{"name":"`+name+`:read"}`)
	vars["grantID"] = post(application+"/grants", `{"resource":{"id":"`+vars["resourceID"]+`"},"scopes":[{"id":"`+vars["scopeID"]+`"}]}`)
	vars["populationID"] = post("/{env}/populations", `{"name":"`+name+`"}`)
	vars["userID"] = post("/{env}/users", `{"username":"`+name+`","email":"`+name+`@example.com","population":{"id":"`+vars["populationID"]+`"}}`)
	vars["subscriptionID"] = post("/{env}/subscriptions", `{"name":"`+name+`","enabled":true,"protocol":"HTTPS","format":"ACTIVITY","verifyTlsCertificates":true,`+
		`"httpEndpoint":{"url":"https://hook.example.com/"},"filterOptions":{"includedActionTypes":["APPLICATION.CREATED"]}}`)
	vars["keyID"] = post("/{env}/keys", `{"name":"`+name+`","algorithm":"EC","keyLength":256,"signatureAlgorithm":"SHA256withECDSA",`+
		`"subjectDN":"CN=`+name+`","usageType":"SIGNING","validityPeriod":365}`)
	vars["policyID"] = first("/{env}/keyRotationPolicies", "keyRotationPolicies")
	vars["passwordPolicyID"] = first("/{env}/passwordPolicies", "passwordPolicies")
	vars["activityID"] = first("/{env}/activities", "activities")
	vars["sessionID"], vars["consentID"] = nothing, nothing
	// Who has a role of their own: another application, another user.
	vars["workerID"] = post("/{env}/applications", workerBody(name+"-worker", true))
	vars["adminID"] = post("/{env}/users", `{"username":"`+name+`-admin","email":"`+name+`@example.com","population":{"id":"`+vars["populationID"]+`"}}`)
	for _, holder := range []string{"applications/" + vars["workerID"], "users/" + vars["adminID"]} {
		// A role that whoever may give roles may give.
		post("/{env}/"+holder+"/roleAssignments", assign(directory.RoleCustomRolesAdmin, "ENVIRONMENT", home))
	}
}

// path fills a route's variables. attributeID and roleAssignmentID are of what is in front of them.
func (w *world) path(rt string, vars map[string]string) string {
	if strings.Contains(rt, "/roleAssignments") {
		rt = strings.NewReplacer("{applicationID}", "{workerID}", "{userID}", "{adminID}").Replace(rt)
	}
	for name, value := range vars {
		rt = strings.ReplaceAll(rt, "{"+name+"}", value)
	}
	if i := strings.Index(rt, "/{attributeID}"); i >= 0 {
		list := w.as(root).get(rt[:i])
		rt = strings.ReplaceAll(rt, "{attributeID}", orNothing(list, "_embedded.attributes.0.id"))
	}
	if i := strings.Index(rt, "/{roleAssignmentID}"); i >= 0 {
		list := w.as(root).get(rt[:i])
		rt = strings.ReplaceAll(rt, "{roleAssignmentID}", orNothing(list, "_embedded.roleAssignments.0.id"))
	}
	if strings.Contains(rt, "{") {
		w.t.Fatalf("nobody knows the variable of %s", rt)
	}
	return rt
}

func orNothing(a *answer, path string) string {
	if a.Status != 200 || a.text(path) == "" {
		return nothing
	}
	return a.text(path)
}

// call makes a request that is authorized or not, and changes nothing: of an object it demands a version that it
// never had, and what it would create is not complete.
func (w *world) call(c caller, method, path string, types []string) *answer {
	header := []string{"If-Match", `"999999"`}
	var body any
	if method != "GET" && method != "DELETE" {
		body = `{"population":{"id":"` + w.own["populationID"] + `"}}` // of a new user; to others it says nothing
	}
	if len(types) > 0 {
		types = slices.Sorted(slices.Values(types))
		kind := types[0]
		if kind == "multipart/form-data" {
			kind += "; boundary=x"
		}
		header = append(header, "Content-Type", kind)
	}
	if strings.HasSuffix(path, "/export") {
		path += "?users=false"
	}
	return c.do(method, path, body, header...)
}

// anonymized is a body without what is different each time.
func anonymized(a *answer) string {
	return strings.ReplaceAll(string(a.Body), a.Header.Get("Correlation-Id"), "")
}

func TestAuthorizationMatrix(t *testing.T) {
	w := newWorld(t)
	gone := maps.Clone(w.own)
	for name := range gone {
		if name != "environmentID" {
			gone[name] = nothing
		}
	}

	seen := map[string]bool{}
	for _, rt := range w.API.Routes() {
		if rt.Open {
			continue
		}
		may, ok := matrix[rt.Name]
		if !ok {
			t.Errorf("%s is not in the matrix", rt.Name)
			continue
		}
		seen[rt.Name] = true
		t.Run(rt.Name, func(t *testing.T) {
			w := &world{kit: w.in(t), own: w.own, other: w.other, p: w.p, a: w.a}
			there := w.path(rt.Path, w.own)
			missing := w.path(rt.Path, gone)
			w.columns(rt.Method, there, missing, rt.Request, may)
			w.limited(rt.Method, rt.Path, missing, rt.Request, may)
			w.elsewhere(rt.Method, rt.Path, rt.Request)
		})
	}
	for name := range matrix {
		if !seen[name] {
			t.Errorf("the matrix has %s, which is no route", name)
		}
	}
}

// columns are those who have one role on the whole environment.
func (w *world) columns(method, there, missing string, types []string, may string) {
	w.t.Helper()
	for letter, worker := range columns {
		a, b := w.call(w.as(worker), method, there, types), w.call(w.as(worker), method, missing, types)
		if strings.Contains(may, letter) {
			if a.Status == 401 || a.Status == 403 {
				w.t.Errorf("%s is refused: %d %s", worker, a.Status, a.Body)
			}
			if b.Status == 401 || b.Status == 403 {
				w.t.Errorf("%s is refused what there is not: %d %s", worker, b.Status, b.Body)
			}
			if method == "GET" && a.Status != 200 && !strings.Contains(there, nothing) {
				w.t.Errorf("%s: status %d, want 200: %s", worker, a.Status, a.Body)
			}
			if a.Status >= 500 || b.Status >= 500 {
				w.t.Errorf("%s: status %d and %d: %s %s", worker, a.Status, b.Status, a.Body, b.Body)
			}
			continue
		}
		w.same403(worker, a, b)
	}
	w.same403(nobody, w.call(w.as(nobody), method, there, types), w.call(w.as(nobody), method, missing, types))
	for _, path := range []string{there, missing} {
		a := w.call(w.anonymous(), method, path, types).refused(401, "ACCESS_FAILED", "INVALID_TOKEN")
		if strings.Contains(string(a.Body), mark) {
			w.t.Errorf("the refusal discloses: %s", a.Body)
		}
	}
	if a := w.call(w.as(root), method, there, types); a.Status == 401 || a.Status == 403 || a.Status >= 500 {
		w.t.Errorf("who has all roles: %d %s", a.Status, a.Body)
	}
}

// same403: what there is and what there is not are refused with the same words.
func (w *world) same403(worker string, a, b *answer) {
	w.t.Helper()
	if a.Status != 403 || b.Status != 403 {
		w.t.Errorf("%s: status %d, and %d for what there is not; want 403: %s", worker, a.Status, b.Status, a.Body)
		return
	}
	if anonymized(a) != anonymized(b) {
		w.t.Errorf("%s: the refusals are not the same:\n%s\n%s", worker, a.Body, b.Body)
	}
	if strings.Contains(string(a.Body), mark) {
		w.t.Errorf("%s: the refusal discloses: %s", worker, a.Body)
	}
}

// limited are p and a: what is not theirs is not there, and otherwise they are as everybody.
func (w *world) limited(method, path, missing string, types []string, may string) {
	w.t.Helper()
	for letter, worker := range map[string]string{"p": w.p, "a": w.a} {
		own := w.call(w.as(worker), method, w.path(path, w.own), types)
		other := w.call(w.as(worker), method, w.path(path, w.other), types)
		none := w.call(w.as(worker), method, missing, types)
		if !strings.Contains(may, letter) {
			// Of what is theirs they may know that there is such a thing.
			for _, a := range []*answer{own, other, none} {
				if a.Status != 403 && a.Status != 404 {
					w.t.Errorf("%s: %s: status %d, want a refusal: %s", letter, a.what, a.Status, a.Body)
				}
			}
		} else if own.Status == 401 || own.Status >= 500 || own.Status == 403 && !strings.Contains(string(own.Body), "can neither give nor take it") {
			w.t.Errorf("%s is refused what is theirs: %d %s", letter, own.Status, own.Body)
		}
		if other.Status == 200 || other.Status == 201 || other.Status == 204 {
			if strings.Contains(string(other.Body), w.other["userID"]) || strings.Contains(string(other.Body), w.other["applicationID"]) {
				w.t.Errorf("%s sees what is not theirs: %s", letter, other.Body)
			}
			continue // a list, or what is nobody's in particular
		}
		if strings.Contains(string(other.Body), mark) {
			w.t.Errorf("%s: the refusal discloses: %s", letter, other.Body)
		}
		if other.Status != none.Status || anonymized(other) != anonymized(none) {
			w.t.Errorf("%s can tell what is there from what is not:\n%s\n%s", letter, other.Body, none.Body)
		}
	}
}

// elsewhere: no role on one environment reaches into another one, and none into another organization.
func (w *world) elsewhere(method, path string, types []string) {
	w.t.Helper()
	if !strings.Contains(path, "{environmentID}") {
		return
	}
	at := func(environment string) string {
		vars := maps.Clone(w.own)
		vars["environmentID"], vars["attributeID"], vars["roleAssignmentID"] = environment, nothing, nothing
		return w.path(path, vars)
	}
	for letter, worker := range columns {
		if letter == "O" {
			continue
		}
		w.same403(worker+" elsewhere", w.call(w.as(worker), method, at(sibling), types), w.call(w.as(worker), method, at(nothing), types))
	}
	for _, worker := range []string{w.p, w.a} {
		w.same403(worker+" elsewhere", w.call(w.as(worker), method, at(sibling), types), w.call(w.as(worker), method, at(nothing), types))
	}
	a, b := w.call(w.as(foreign), method, at(home), types), w.call(w.as(foreign), method, at(nothing), types)
	if a.Status != 404 || b.Status != 404 || anonymized(a) != anonymized(b) {
		w.t.Errorf("who is of another organization: %d, and %d for what there is not; want 404: %s", a.Status, b.Status, a.Body)
	}
}
