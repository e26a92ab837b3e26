package authserver_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/sqlite"
)

// A server with one environment, one resource and one worker; the worker gets a
// token with its client credentials.
func ExampleNew() {
	const env = "5f0c9f3a-6c1e-4c55-9a3b-2d7f8e1b4a60"
	directory, err := declared.New(declared.Config{Environments: []declared.Environment{{
		Name: "demo", ID: env, Issuer: "http://localhost:8080/" + env + "/as",
		Resources:    []declared.Resource{{Name: "orders", Audience: "https://orders.example.com", Scopes: []string{"orders:read"}}},
		Applications: []declared.Application{{ClientID: "batch", Type: "worker", Secret: "batch-secret", Allow: []string{"orders:read"}}},
	}}})
	if err != nil {
		log.Fatal(err)
	}

	folder, err := os.MkdirTemp("", "gatehouse")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)
	db := sqlite.New(sqlite.Config{Path: filepath.Join(folder, "gatehouse.db")})
	db.Start()
	defer db.Close()

	state, err := authserver.NewState(authserver.StateConfig{
		Store:      db,
		SecretsKey: func(bool) ([]byte, error) { return []byte("32 bytes that are kept elsewhere"), nil },
	})
	if err != nil {
		log.Fatal(err)
	}
	state.Start()
	defer state.Close()

	server, err := authserver.New(context.Background(), authserver.Config{State: state, Directory: directory})
	if err != nil {
		log.Fatal(err)
	}
	server.Start()
	defer server.Close()
	site := httptest.NewServer(server)
	defer site.Close()

	form := strings.NewReader(url.Values{"grant_type": {"client_credentials"}}.Encode())
	r, err := http.NewRequest(http.MethodPost, site.URL+"/"+env+"/as/token", form)
	if err != nil {
		log.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth("batch", "batch-secret")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		log.Fatal(err)
	}
	defer res.Body.Close()
	var answer struct {
		TokenType string `json:"token_type"`
		ExpiresIn int    `json:"expires_in"`
		Scope     string `json:"scope"`
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		log.Fatal(err)
	}
	fmt.Println(res.Status, answer.TokenType, answer.ExpiresIn, answer.Scope)
	// Output: 200 OK Bearer 3600 orders:read
}
