package management_test

import (
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
)

const (
	setType     = "application/vnd.pingidentity.password.set+json"
	resetType   = "application/vnd.pingidentity.password.reset+json"
	checkType   = "application/vnd.pingidentity.password.check+json"
	forceType   = "application/vnd.pingidentity.password.forceChange"
	sendType    = "application/vnd.pingidentity.password.sendRecoveryCode+json"
	recoverType = "application/vnd.pingidentity.password.recover+json"
	unlockPass  = "application/vnd.pingidentity.password.unlock+json"
)

const nextPassword = "another-long-password"

// ssha512 is a password as another directory keeps it.
func ssha512(password string) string {
	salt := []byte("saltsalt")
	sum := sha512.Sum512(append([]byte(password), salt...))
	return "{SSHA512}" + base64.StdEncoding.EncodeToString(append(sum[:], salt...))
}

func TestPasswordState(t *testing.T) {
	k := newKit(t, quick)
	none := k.person(`{"username":"none","email":"n@example.com"}`)
	k.as(root).get(users + "/" + none + "/password").is(200).has(`{"status":"NO_PASSWORD","environment":{"id":"` + home + `"},"user":{"id":"` + none + `"},
		"passwordPolicy":{"id":"` + directory.PasswordPolicy(home) + `"},"lastChangedAt":null,"secondsUntilUnlock":null}`)
	id := k.imported("u", goodPassword)
	state := func() *answer { return k.as(root).get(users + "/" + id + "/password").is(200) }
	state().has(`{"status":"OK","lastChangedAt":"2026-03-01T12:00:00.000Z","secondsUntilUnlock":null}`)
	for range 5 {
		k.signOn("u", "wrong-password")
	}
	state().has(`{"status":"PASSWORD_LOCKED_OUT","secondsUntilUnlock":900}`)
	k.as(root).get(users + "/" + id).is(200).has(`{"account":{"canAuthenticate":true,"status":"LOCKED","lockedAt":"2026-03-01T12:00:00.000Z",
		"unlockAt":"2026-03-01T12:15:00.000Z","secondsUntilUnlock":900}}`)
	k.Clock.Advance(15 * time.Minute)
	state().has(`{"status":"OK","secondsUntilUnlock":null}`)
	k.as(root).get(users + "/" + id).is(200).has(`{"account":{"canAuthenticate":true,"status":"OK"}}`)
	k.as(root).get(users+"/"+nothing+"/password").refused(404, "NOT_FOUND")
}

func TestExpiredPassword(t *testing.T) {
	k := newKit(t, quick, func(c *declared.Config) { c.Environments[0].SignOn.PasswordMaxAge = declared.Duration(24 * time.Hour) })
	id := k.imported("u", goodPassword)
	k.Clock.Advance(24 * time.Hour)
	k.as(root).get(users + "/" + id + "/password").is(200).has(`{"status":"PASSWORD_EXPIRED"}`)
	// It matches nevertheless (pingone-management.md §10).
	k.as(root).post(users+"/"+id+"/password", `{"password":"`+goodPassword+`"}`, "Content-Type", checkType).is(200).has(`{"status":"PASSWORD_EXPIRED"}`)
}

// Every row of the table of pingone-management.md §10.
func TestPasswordActions(t *testing.T) {
	tests := []struct {
		name, method, kind, body string
		status                   string // of the password then; "" for a refusal
		code, target             string // of the refusal's detail
		valid                    string // the password that counts then
	}{
		{"set", "PUT", setType, `{"value":"` + nextPassword + `"}`, "OK", "", "", nextPassword},
		{"set, to be changed", "PUT", setType, `{"value":"` + nextPassword + `","forceChange":true}`, "MUST_CHANGE_PASSWORD", "", "", nextPassword},
		{"set, weak", "PUT", setType, `{"value":"short"}`, "", "INVALID_VALUE", "value", goodPassword},
		{"set, common", "PUT", setType, `{"value":"Password1"}`, "", "INVALID_VALUE", "value", goodPassword},
		{"set, the username", "PUT", setType, `{"value":"Long-Username"}`, "", "INVALID_VALUE", "value", goodPassword},
		{"set, weak, the policy bypassed", "PUT", setType, `{"value":"short","bypassPolicy":true}`, "OK", "", "", "short"},
		{"set, empty, the policy bypassed", "PUT", setType, `{"value":"","bypassPolicy":true}`, "", "REQUIRED_VALUE", "value", goodPassword},
		{"set, too long for anybody", "PUT", setType, `{"value":"` + strings.Repeat("x", 1025) + `","bypassPolicy":true}`, "", "INVALID_VALUE", "value", goodPassword},
		{"set, encoded", "PUT", setType, `{"value":"` + ssha512(nextPassword) + `"}`, "OK", "", "", nextPassword},
		{"set, encoded, of an unknown scheme", "PUT", setType, `{"value":"{ROT13}abcdefghijkl"}`, "", "INVALID_VALUE", "value", goodPassword},
		{"set, encoded, malformed", "PUT", setType, `{"value":"{SSHA512}abcdefghijkl"}`, "", "INVALID_VALUE", "value", goodPassword},
		{"set, no value", "PUT", setType, `{}`, "", "REQUIRED_VALUE", "value", goodPassword},
		{"change", "PUT", resetType, `{"currentPassword":"` + goodPassword + `","newPassword":"` + nextPassword + `"}`, "OK", "", "", nextPassword},
		{"change, wrong current one", "PUT", resetType, `{"currentPassword":"wrong-password","newPassword":"` + nextPassword + `"}`, "", "INVALID_VALUE", "currentPassword", goodPassword},
		{"change, weak", "PUT", resetType, `{"currentPassword":"` + goodPassword + `","newPassword":"short"}`, "", "INVALID_VALUE", "newPassword", goodPassword},
		{"change to the same", "PUT", resetType, `{"currentPassword":"` + goodPassword + `","newPassword":"` + goodPassword + `"}`, "", "INVALID_VALUE", "newPassword", goodPassword},
		{"change, no new one", "PUT", resetType, `{"currentPassword":"` + goodPassword + `"}`, "", "REQUIRED_VALUE", "newPassword", goodPassword},
		{"reset by an administrator", "PUT", resetType, `{"newPassword":"` + nextPassword + `"}`, "MUST_CHANGE_PASSWORD", "", "", nextPassword},
		{"reset, weak: the policy is not asked", "PUT", resetType, `{"newPassword":"short"}`, "MUST_CHANGE_PASSWORD", "", "", "short"},
		{"reset, nothing", "PUT", resetType, `{}`, "", "REQUIRED_VALUE", "newPassword", goodPassword},
		{"check", "POST", checkType, `{"password":"` + goodPassword + `"}`, "OK", "", "", goodPassword},
		{"check, wrong", "POST", checkType, `{"password":"wrong-password"}`, "", "INVALID_VALUE", "password", goodPassword},
		{"check, nothing", "POST", checkType, `{}`, "", "REQUIRED_VALUE", "password", goodPassword},
		{"force a change", "POST", forceType, ``, "MUST_CHANGE_PASSWORD", "", "", goodPassword},
		{"unlock", "POST", unlockPass, ``, "OK", "", "", goodPassword},
		{"send a code without a notifier", "POST", sendType, ``, "", "", "", goodPassword},
		{"recover without a code", "POST", recoverType, `{"newPassword":"` + nextPassword + `"}`, "", "REQUIRED_VALUE", "recoveryCode", goodPassword},
		{"recover with nobody's code", "POST", recoverType, `{"recoveryCode":"ABCDEFGH","newPassword":"` + nextPassword + `"}`, "", "INVALID_VALUE", "recoveryCode", goodPassword},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := newKit(t, quick)
			id := k.imported("long-username", goodPassword)
			a := k.as(root).do(tt.method, users+"/"+id+"/password", tt.body, "Content-Type", tt.kind)
			switch {
			case tt.status != "":
				a.is(200).has(`{"status":"` + tt.status + `","user":{"id":"` + id + `"}}`)
			case tt.code == "":
				a.refused(400, "INVALID_REQUEST")
			default:
				a.refused(400, "INVALID_DATA", tt.code, tt.target)
			}
			code, standing := k.signOn("long-username", tt.valid)
			if want := map[bool]string{true: "MUST_CHANGE_PASSWORD"}[tt.status == "MUST_CHANGE_PASSWORD"]; code != "" || string(standing) != want {
				t.Errorf("sign-on: %q, standing %q, want accepted with %q", code, standing, want)
			}
			if tt.valid != goodPassword {
				if code, _ := k.signOn("long-username", goodPassword); code != "INVALID_CREDENTIALS" {
					t.Errorf("the password before: %q, want it refused", code)
				}
			}
		})
	}
}

func TestPasswordMediaTypes(t *testing.T) {
	k := newKit(t, quick)
	path := users + "/" + k.imported("u", goodPassword) + "/password"
	for _, kind := range []string{"application/json", checkType, "text/plain", ""} {
		k.as(root).put(path, `{"value":"`+nextPassword+`"}`, "Content-Type", kind).refused(415, "INVALID_REQUEST")
	}
	for _, kind := range []string{"application/json", setType, "application/vnd.pingidentity.password.x+json"} {
		k.as(root).post(path, `{"password":"`+goodPassword+`"}`, "Content-Type", kind).refused(415, "INVALID_REQUEST")
	}
	k.as(root).post(path, nil, "Content-Type", forceType+"+json").is(200).has(`{"status":"MUST_CHANGE_PASSWORD"}`)
}

// Failed checks count towards the lockout, and say how many are left.
func TestCheckCountsTowardsTheLockout(t *testing.T) {
	k := newKit(t, quick)
	id := k.imported("u", goodPassword)
	path := users + "/" + id + "/password"
	check := func(password string) *answer {
		return k.as(root).post(path, `{"password":"`+password+`"}`, "Content-Type", checkType)
	}
	for left := 4.0; left >= 0; left-- {
		a := check("wrong-password").refused(400, "INVALID_DATA", "INVALID_VALUE", "password")
		if got := a.at("details.0.innerError.failuresRemaining"); got != left {
			t.Errorf("failuresRemaining = %v, want %v", got, left)
		}
	}
	a := check(goodPassword).refused(400, "INVALID_DATA", "ACCOUNT_NOT_USABLE")
	if got := a.at("details.0.innerError.secondsUntilUnlock"); got != 900.0 {
		t.Errorf("secondsUntilUnlock = %v, want 900", got)
	}
	if code, _ := k.signOn("u", goodPassword); code != "PASSWORD_LOCKED_OUT" {
		t.Errorf("sign-on: %q, want it locked", code)
	}
	k.as(root).post(path, nil, "Content-Type", unlockPass).is(200).has(`{"status":"OK"}`)
	check(goodPassword).is(200)
	// A right one is a fresh start.
	check("wrong-password").is(400)
	check(goodPassword).is(200)
	if got := check("wrong-password").at("details.0.innerError.failuresRemaining"); got != 4.0 {
		t.Errorf("failuresRemaining after a right one = %v, want 4", got)
	}
	if got := k.actions(id); !slices.Equal(got, []string{"USER.CREATED", "PASSWORD.UNLOCKED"}) {
		t.Errorf("audit log: %v, want no line for checks", got)
	}
}

func TestCheckOfAccountsThatCannotBeUsed(t *testing.T) {
	k := newKit(t, quick)
	check := func(id, code string) {
		t.Helper()
		k.as(root).post(users+"/"+id+"/password", `{"password":"`+goodPassword+`"}`, "Content-Type", checkType).refused(400, "INVALID_DATA", code)
	}
	check(k.person(`{"username":"none","email":"n@example.com"}`), "NO_PASSWORD")
	id := k.imported("u", goodPassword)
	k.as(root).post(users+"/"+id, nil, "Content-Type", lockType).is(200)
	check(id, "ACCOUNT_NOT_USABLE")
	k.as(root).post(users+"/"+id, nil, "Content-Type", unlockType).is(200)
	k.as(root).put(users+"/"+id+"/enabled", `{"enabled":false}`).is(200)
	check(id, "ACCOUNT_NOT_USABLE")
	k.as(root).post(users+"/"+k.person(`{"username":"m","email":"m@example.com"}`)+"/password", nil, "Content-Type", forceType).refused(400, "INVALID_DATA", "NO_PASSWORD")
}

func TestMustChangePasswordIsChangedBySelf(t *testing.T) {
	k := newKit(t, quick)
	id := k.imported("u", goodPassword)
	k.as(root).put(users+"/"+id+"/password", `{"newPassword":"`+nextPassword+`"}`, "Content-Type", resetType).is(200)
	k.as(root).post(users+"/"+id+"/password", `{"password":"`+nextPassword+`"}`, "Content-Type", checkType).is(200).has(`{"status":"MUST_CHANGE_PASSWORD"}`)
	k.as(root).put(users+"/"+id+"/password", `{"currentPassword":"`+nextPassword+`","newPassword":"`+goodPassword+`"}`, "Content-Type", resetType).is(200).has(`{"status":"OK"}`)
	if code, standing := k.signOn("u", goodPassword); code != "" || standing != "" {
		t.Errorf("sign-on: %q, %q", code, standing)
	}
}

func TestImportedPasswords(t *testing.T) {
	k := newKit(t, quick)
	post := func(username, password string) *answer {
		return k.as(root).post(users, `{"username":"`+username+`","email":"u@example.com","password":`+password+`}`, "Content-Type", importType)
	}
	forced := post("forced", `{"value":"`+goodPassword+`","forceChange":true}`).is(201).has(`{"password":null}`).text("id")
	k.as(root).get(users + "/" + forced + "/password").is(200).has(`{"status":"MUST_CHANGE_PASSWORD"}`)
	post("encoded", `{"value":"`+ssha512(goodPassword)+`"}`).is(201)
	if code, _ := k.signOn("encoded", "wrong-password"); code != "INVALID_CREDENTIALS" {
		t.Errorf("encoded, wrong: %q", code)
	}
	for range 2 { // the second time by the hash that took its place
		if code, _ := k.signOn("encoded", goodPassword); code != "" {
			t.Errorf("encoded: %q", code)
		}
	}
	post("weak", `{"value":"short"}`).refused(400, "INVALID_DATA", "INVALID_VALUE", "password.value")
	post("odd", `{"value":"{X}short"}`).refused(400, "INVALID_DATA", "INVALID_VALUE", "password.value")
	post("number", `{"value":5}`).refused(400, "INVALID_DATA", "REQUIRED_VALUE", "password.value")
	post("text", `"x"`).refused(400, "INVALID_DATA", "INVALID_VALUE", "password")
	if got := named(k.as(root).page(users, "users", 200)); !slices.Equal(got, []string{"alice", "bob", "encoded", "forced"}) {
		t.Errorf("users: %v, want none of the refused", got)
	}
}

func TestRecovery(t *testing.T) {
	k, mail := mailed(t)
	id := k.imported("u", goodPassword)
	path := users + "/" + id + "/password"
	recover := func(code, password string) *answer {
		return k.as(root).post(path, `{"recoveryCode":"`+code+`","newPassword":"`+password+`"}`, "Content-Type", recoverType)
	}
	send := func(n int) string {
		k.as(root).post(path, nil, "Content-Type", sendType).is(200).has(`{"status":"OK"}`)
		msg := mail.last(t, n)
		if msg.To != "u@example.com" || msg.Kind != "recovery_code" || len(msg.Code) != 8 {
			t.Fatalf("message %+v", msg)
		}
		return msg.Code
	}
	h := k.hold(id, "web")
	code := send(1)
	recover("WRONGONE", nextPassword).refused(400, "INVALID_DATA", "INVALID_VALUE", "recoveryCode")
	recover(code, "short").refused(400, "INVALID_DATA", "INVALID_VALUE", "newPassword")
	h.want("before", true, true, true)
	recover(strings.ToLower(code), nextPassword).is(200).has(`{"status":"OK"}`)
	h.want("recovered", false, false, false)
	if c, _ := k.signOn("u", nextPassword); c != "" {
		t.Errorf("sign-on: %q", c)
	}
	k.as(root).get(users + "/" + id).is(200).has(`{"emailVerified":true}`) // the code came to it
	recover(code, goodPassword).refused(400, "INVALID_DATA", "INVALID_VALUE", "recoveryCode")
	t.Run("five minutes", func(t *testing.T) {
		k.Clock.Advance(time.Minute)
		code := send(2)
		k.Clock.Advance(5 * time.Minute)
		recover(code, goodPassword).refused(400, "INVALID_DATA", "INVALID_VALUE", "recoveryCode")
	})
	t.Run("void after five wrong ones", func(t *testing.T) {
		code := send(3)
		for range 5 {
			recover("WRONGONE", goodPassword).is(400)
		}
		recover(code, goodPassword).refused(400, "INVALID_DATA", "INVALID_VALUE", "recoveryCode")
	})
	t.Run("not for a locked account", func(t *testing.T) {
		k.Clock.Advance(time.Hour)
		code := send(4)
		k.as(root).post(users+"/"+id, nil, "Content-Type", lockType).is(200)
		recover(code, goodPassword).refused(400, "INVALID_DATA", "INVALID_VALUE", "recoveryCode")
		k.as(root).post(path, nil, "Content-Type", sendType).refused(400, "INVALID_DATA", "ACCOUNT_NOT_USABLE")
	})
	if got := k.actions(id); !slices.Contains(got, "PASSWORD.RECOVERY_CODE_SENT") || !slices.Contains(got, "PASSWORD.RECOVERED") {
		t.Errorf("audit log: %v", got)
	}
}

// Who may do what to whose password: status by role.
func TestWhoMayDoWhatToPasswords(t *testing.T) {
	k := newKit(t, quick)
	id := k.imported("u", goodPassword)
	other := k.imported("v", goodPassword)
	path := users + "/" + id + "/password"
	read := func(c caller, path string) *answer { return c.get(path) }
	set := func(c caller, path string) *answer {
		return c.put(path, `{"value":"`+goodPassword+`"}`, "Content-Type", setType)
	}
	reset := func(c caller, path string) *answer {
		return c.put(path, `{"newPassword":"`+goodPassword+`"}`, "Content-Type", resetType)
	}
	change := func(c caller, path string) *answer {
		return c.put(path, `{"currentPassword":"`+goodPassword+`","newPassword":"`+goodPassword+`x"}`, "Content-Type", resetType)
	}
	check := func(c caller, path string) *answer {
		return c.post(path, `{"password":"`+goodPassword+`"}`, "Content-Type", checkType)
	}
	force := func(c caller, path string) *answer { return c.post(path, nil, "Content-Type", forceType) }
	unlock := func(c caller, path string) *answer { return c.post(path, nil, "Content-Type", unlockPass) }
	elsewhere := users + "/" + other + "/password"
	tests := []struct {
		name string
		who  caller
		path string
		act  func(caller, string) *answer
		want int
	}{
		{"identity data admin reads", k.as(identityAdmin), path, read, 200},
		{"identity data admin sets", k.as(identityAdmin), path, set, 200},
		{"identity data admin forces", k.as(identityAdmin), path, force, 200},
		{"reader reads", k.as(identityReader), path, read, 200},
		{"reader sets", k.as(identityReader), path, set, 403},
		{"reader checks", k.as(identityReader), path, check, 403},
		{"reader forces", k.as(identityReader), path, force, 403},
		{"developer reads", k.as(developer), path, read, 403},
		{"nobody reads", k.as(nobody), path, read, 403},
		{"nobody reads nobody's", k.as(nobody), users + "/" + nothing + "/password", read, 403},
		{"a stranger's", k.as(foreign), path, read, 404},
		{"self reads with the scope", k.asUser("web", id, "p1:read:userPassword"), path, read, 200},
		{"self reads without it", k.asUser("web", id, "p1:read:user"), path, read, 403},
		{"self checks with the scope", k.asUser("web", id, "p1:validate:userPassword"), path, check, 200},
		{"self reads with the scope to check", k.asUser("web", id, "p1:validate:userPassword"), path, read, 403},
		{"self checks somebody else's", k.asUser("web", id, "p1:validate:userPassword"), elsewhere, check, 403},
		{"self checks without it", k.asUser("web", id, "p1:read:userPassword"), path, check, 403},
		{"self changes with the scope", k.asUser("web", other, "p1:reset:userPassword"), elsewhere, change, 200},
		{"self resets without the current one", k.asUser("web", id, "p1:reset:userPassword"), path, reset, 403},
		{"self sets", k.asUser("web", id, "p1:reset:userPassword"), path, set, 403},
		{"self forces", k.asUser("web", id, "p1:reset:userPassword", "p1:read:userPassword"), path, force, 403},
		{"self unlocks", k.asUser("web", id, "p1:reset:userPassword", "p1:read:userPassword"), path, unlock, 403},
		{"self about somebody else", k.asUser("web", id, "p1:reset:userPassword", "p1:read:userPassword"), elsewhere, change, 403},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if a := tt.act(tt.who, tt.path); a.Status != tt.want {
				t.Errorf("status = %d, want %d: %s", a.Status, tt.want, a.Body)
			}
		})
	}
}

func TestPasswordPolicy(t *testing.T) {
	k := newKit(t, func(c *declared.Config) { c.Environments[0].SignOn.PasswordMinLength = 12 })
	id := directory.PasswordPolicy(home)
	list := k.as(root).get("/{env}/passwordPolicies").is(200)
	if list.text("_embedded.passwordPolicies.0.id") != id || list.at("size") != 1.0 {
		t.Errorf("list: %s", list.Body)
	}
	k.as(root).get("/{env}/passwordPolicies/" + id).is(200).has(`{"name":"Standard","default":true,"length":{"min":12,"max":1024},
		"excludesCommonlyUsed":true,"excludesProfileData":true,"lockout":{"failureCount":5,"durationSeconds":900}}`)
	k.as(root).get("/{env}/passwordPolicies/"+nothing).refused(404, "NOT_FOUND")
	k.as(root).put("/{env}/passwordPolicies/"+id, `{}`).is(405)
	k.as(nobody).get("/{env}/passwordPolicies").is(403)
}

// Of many changes at once by the same current password one happens.
func TestParallelPasswordChanges(t *testing.T) {
	k := newKit(t, quick, func(c *declared.Config) { c.Environments[0].SignOn.LockoutAttempts = -1 })
	id := k.imported("u", goodPassword)
	c := k.as(root)
	statuses := make(chan int, 6)
	for i := range cap(statuses) {
		go func() {
			statuses <- c.put(users+"/"+id+"/password", fmt.Sprintf(`{"currentPassword":"%s","newPassword":"%s-%d"}`, goodPassword, nextPassword, i), "Content-Type", resetType).Status
		}()
	}
	won := 0
	for range cap(statuses) {
		if <-statuses == 200 {
			won++
		}
	}
	if won != 1 {
		t.Errorf("%d changes happened, want 1", won)
	}
}
