// Command manage shows PingOne's own Go client at work on the demo environment
// that `make run` serves: it makes an application, calls the API behind the gate with a
// token of it, disables the application, and is refused.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/url"
	"os"
	"strings"

	pingone "github.com/patrickcping/pingone-go-sdk-v2/management"
)

const (
	environment = "5f0c9f3a-6c1e-4c55-9a3b-2d7f8e1b4a60"
	worker      = "0b7d3c52-9c1f-4f5e-8a44-6a1c2e9d7f10"
)

// Where the demo is, if it is somewhere else.
var (
	host = cmp.Or(os.Getenv("DEMO_HOST"), "localhost:8080")
	api  = cmp.Or(os.Getenv("DEMO_API"), "http://localhost:8081/")
)

func main() {
	ctx := context.Background()
	config := pingone.NewConfiguration()
	config.SetDefaultServerIndex(1)
	must(config.SetDefaultServerVariableDefaultValue("protocol", "http"))
	must(config.SetDefaultServerVariableDefaultValue("baseHostname", host))
	config.AddDefaultHeader("Authorization", "Bearer "+token(worker, "demo-admin-secret"))
	client := pingone.NewAPIClient(config)

	app := pingone.NewApplicationOIDC(true, "Reports of the SDK", pingone.ENUMAPPLICATIONPROTOCOL_OPENID_CONNECT,
		pingone.ENUMAPPLICATIONTYPE_SERVICE, pingone.ENUMAPPLICATIONOIDCTOKENAUTHMETHOD_CLIENT_SECRET_BASIC)
	app.GrantTypes = []pingone.EnumApplicationOIDCGrantType{pingone.ENUMAPPLICATIONOIDCGRANTTYPE_CLIENT_CREDENTIALS}
	made, _, err := client.ApplicationsApi.CreateApplication(ctx, environment).
		CreateApplicationRequest(pingone.ApplicationOIDCAsCreateApplicationRequest(app)).Execute()
	must(err)
	app = made.ApplicationOIDC
	id := *app.Id
	fmt.Println("made      ", id)
	defer func() {
		_, err := client.ApplicationsApi.DeleteApplication(ctx, environment, id).Execute()
		must(err)
		fmt.Println("deleted   ", id)
	}()

	// It may read orders: a scope that the Caddyfile declares.
	scope := ""
	for page, err := range client.ResourceScopesApi.ReadAllResourceScopes(ctx, environment, "orders").Execute() {
		must(err)
		for _, s := range page.EntityArray.Embedded.Scopes {
			if s.Name == "orders:read" {
				scope = *s.Id
			}
		}
	}
	_, _, err = client.ApplicationResourceGrantsApi.CreateApplicationGrant(ctx, environment, id).ApplicationResourceGrant(
		*pingone.NewApplicationResourceGrant(*pingone.NewApplicationResourceGrantResource("orders"),
			[]pingone.ApplicationResourceGrantScopesInner{*pingone.NewApplicationResourceGrantScopesInner(scope)})).Execute()
	must(err)
	secret, _, err := client.ApplicationSecretApi.ReadApplicationSecret(ctx, environment, id).Execute()
	must(err)

	bearer := token(id, *secret.Secret)
	fmt.Println("calls the API:", call(bearer))

	app.Enabled = false
	_, _, err = client.ApplicationsApi.UpdateApplication(ctx, environment, id).
		UpdateApplicationRequest(pingone.ApplicationOIDCAsUpdateApplicationRequest(app)).Execute()
	must(err)
	fmt.Println("disabled, calls the API:", call(bearer))
}

// call is what the gate in front of the demo API answers.
func call(bearer string) string {
	req, err := http.NewRequest(http.MethodGet, api, nil)
	must(err)
	req.Header.Set("Authorization", "Bearer "+bearer)
	resp, err := http.DefaultClient.Do(req)
	must(err)
	defer resp.Body.Close()
	return resp.Status
}

// token is one of client credentials.
func token(id, secret string) string {
	req, err := http.NewRequest(http.MethodPost, "http://"+host+"/"+environment+"/as/token",
		strings.NewReader(url.Values{"grant_type": {"client_credentials"}}.Encode()))
	must(err)
	req.SetBasicAuth(id, secret)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultClient.Do(req)
	must(err)
	defer resp.Body.Close()
	var got struct {
		Token string `json:"access_token"`
	}
	must(json.NewDecoder(resp.Body).Decode(&got))
	if got.Token == "" {
		log.Fatalf("no token for %s: is `make run` running? (%s)", id, resp.Status)
	}
	return got.Token
}

func must(err error) {
	if err != nil {
		if said, ok := err.(interface{ Body() []byte }); ok {
			log.Fatalf("%v: %s", err, said.Body())
		}
		log.Fatal(err)
	}
}
