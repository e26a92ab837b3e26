package sqlite_test

import (
	"database/sql"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/sqlite"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/storetest"
)

// storedClient is a client as it was stored when this was written. Members may be
// added; one that is renamed would be lost in every database there is.
const storedClient = `{"Environment":"env","ID":"id","Name":"Name","Type":"WEB_APP","Enabled":true,
"GrantTypes":["authorization_code"],"AuthMethod":"client_secret_basic","Secrets":[{"Value":"c2VjcmV0","Expires":"2026-11-21T12:00:00Z"}],
"JWKS":"e30=","JWKSURI":"https://c.example.com/jwks","RedirectURIs":["https://c.example.com/cb"],"WildcardRedirectURIs":true,
"PostLogoutRedirectURIs":["https://c.example.com/out"],"ResponseTypes":["code"],"PKCE":"S256_REQUIRED",
"RefreshTokenTTL":1000000000,"RefreshTokenRolling":2000000000,"RefreshTokenGrace":3000000000,"NoReplayProtection":true,
"PARRequired":true,"PARTimeout":4000000000,"UnsignedRequestObject":true,"SignedRequestObject":true,"UserInfoSigned":true,"Consent":"once",
"IDPSignoff":true,"SessionCheck":true,"BackchannelLogoutURI":"https://c.example.com/bc","FrontchannelLogoutURI":"https://c.example.com/fc",
"FrontchannelLogoutSession":true,"IncludeX5T":true,"CORS":["https://c.example.com"],"LoginPageURL":"https://c.example.com/login",
"InitiateLoginURI":"https://c.example.com/init","LogoURI":"https://c.example.com/logo","PolicyURI":"https://c.example.com/policy",
"TOSURI":"https://c.example.com/tos","ClientURI":"https://c.example.com/","DefaultMaxAge":5000000000,
"Grants":{"openid":["profile"]},"Roles":["Environment Admin"],"MultipleResources":true}`

func TestStoredClientIsRead(t *testing.T) {
	path := newPath(t)
	if err := sqlite.MigrateTo(t.Context(), path, 2); err != nil {
		t.Fatal(err)
	}
	raw, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = raw.Exec(`INSERT INTO registered_clients (environment, id, client, enabled, sealed, metadata, access_token, created_at, edit, version)
VALUES ('env', 'id', $1, 1, x'01', x'02', zeroblob(32), 1795262400000000, x'03', 7)`, storedClient)
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Close(); err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	want := store.RegisteredClient{
		Environment: "env", ID: "id", Sealed: []byte{1}, Metadata: []byte{2}, CreatedAt: at, Version: 7,
		Client: store.Client{
			Environment: "env", ID: "id", Name: "Name", Type: store.WebApp, Enabled: true,
			GrantTypes: []string{"authorization_code"}, AuthMethod: "client_secret_basic",
			Secrets: []store.ClientSecret{{Value: []byte("secret"), Expires: at}},
			JWKS:    []byte("{}"), JWKSURI: "https://c.example.com/jwks",
			RedirectURIs: []string{"https://c.example.com/cb"}, WildcardRedirectURIs: true,
			PostLogoutRedirectURIs: []string{"https://c.example.com/out"}, ResponseTypes: []string{"code"}, PKCE: store.PKCES256Required,
			RefreshTokenTTL: time.Second, RefreshTokenRolling: 2 * time.Second, RefreshTokenGrace: 3 * time.Second, NoReplayProtection: true,
			PARRequired: true, PARTimeout: 4 * time.Second, UnsignedRequestObject: true, SignedRequestObject: true, UserInfoSigned: true,
			Consent: store.ConsentOnce, IDPSignoff: true, SessionCheck: true,
			BackchannelLogoutURI: "https://c.example.com/bc", FrontchannelLogoutURI: "https://c.example.com/fc", FrontchannelLogoutSession: true,
			IncludeX5T: true, CORS: []string{"https://c.example.com"}, LoginPageURL: "https://c.example.com/login",
			InitiateLoginURI: "https://c.example.com/init", LogoURI: "https://c.example.com/logo", PolicyURI: "https://c.example.com/policy",
			TOSURI: "https://c.example.com/tos", ClientURI: "https://c.example.com/", DefaultMaxAge: 5 * time.Second,
			Grants: map[string][]string{"openid": {"profile"}}, Roles: []string{"Environment Admin"}, MultipleResources: true,
		},
	}
	got, err := open(t, path).RegisteredClientByID(t.Context(), "env", "id")
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("RegisteredClientByID: %v (-want +got):\n%s", err, diff)
	}
}

// Users whom an earlier release has stored are found like others.
func TestUsersOfEarlierRelease(t *testing.T) {
	path := newPath(t)
	if err := sqlite.MigrateTo(t.Context(), path, 2); err != nil {
		t.Fatal(err)
	}
	raw, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	execute := func(text string) {
		if _, err := raw.Exec(text); err != nil {
			t.Fatal(err)
		}
	}
	execute(storetest.OldUsers(700))
	storetest.Upgraded(t, open(t, path), 700, func() { execute(storetest.ChangeOldUser) })
}

// So are their tokens.
func TestTokensOfEarlierRelease(t *testing.T) {
	path := newPath(t)
	if err := sqlite.MigrateTo(t.Context(), path, 3); err != nil {
		t.Fatal(err)
	}
	raw, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range storetest.OldTokens(300, "x'") {
		if _, err := raw.Exec(text); err != nil {
			t.Fatal(err)
		}
	}
	if err := raw.Close(); err != nil {
		t.Fatal(err)
	}
	storetest.UpgradedTokens(t, open(t, path), 300)
}
