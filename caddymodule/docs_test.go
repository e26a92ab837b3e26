package caddymodule_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestReference keeps the README in step: every option that a block knows,
// which an unknown one makes it list, is in the reference's grammar, and every
// metric in its table.
func TestReference(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var grammar strings.Builder
	for _, block := range regexp.MustCompile("(?s)```caddyfile\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		grammar.WriteString(block[1])
	}
	const env = "{\ngatehouse {\nenvironment e 5f0c9f3a-6c1e-4c55-9a3b-2d7f8e1b4a60 {\n"
	for name, text := range map[string]string{
		"gatehouse":            "{\ngatehouse {\n?\n}\n}",
		"sqlite":               "{\ngatehouse {\nstorage sqlite {\n?\n}\n}\n}",
		"postgres":             "{\ngatehouse {\nstorage postgres {\n?\n}\n}\n}",
		"environment":          env + "?\n}\n}\n}",
		"sign_on":              env + "sign_on {\n?\n}\n}\n}\n}",
		"branding":             env + "branding {\n?\n}\n}\n}\n}",
		"registration":         env + "client_registration open {\n?\n}\n}\n}\n}",
		"smtp":                 "{\ngatehouse {\nnotifier smtp mail.example.com:587 {\n?\n}\n}\n}",
		"outbound":             "{\ngatehouse {\noutbound {\n?\n}\n}\n}",
		"legacy":               "{\ngatehouse {\nlegacy {\n?\n}\n}\n}",
		"user":                 env + "user u {\n?\n}\n}\n}\n}",
		"resource":             env + "resource r {\n?\n}\n}\n}\n}",
		"application":          env + "application a {\n?\n}\n}\n}\n}",
		"authorization_server": ":80 {\nauthorization_server {\n?\n}\n}",
		"bearer_auth":          ":80 {\nbearer_auth {\n?\n}\n}",
		"issuer":               ":80 {\nbearer_auth {\nissuer i {\n?\n}\n}\n}",
		"introspection":        ":80 {\nbearer_auth {\nissuer i {\nintrospection {\n?\n}\n}\n}\n}",
		"dpop":                 ":80 {\nbearer_auth {\ndpop {\n?\n}\n}\n}",
		"client_certificate":   ":80 {\nbearer_auth {\nclient_certificate {\n?\n}\n}\n}",
		"upstream":             ":80 {\nbearer_auth {\nupstream {\n?\n}\n}\n}",
		"mcp":                  ":80 {\nbearer_auth {\nmcp {\n?\n}\n}\n}",
		"authorizer":           ":80 {\nbearer_auth {\nauthorizer forward {\n?\n}\n}\n}",
		"exchange":             ":80 {\nbearer_auth {\nupstream {\nexchange {\n?\n}\n}\n}\n}",
		"assertion":            ":80 {\nbearer_auth {\nupstream {\nassertion {\n?\n}\n}\n}\n}",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := adapt(text)
			if err == nil {
				t.Fatal("an unknown option was accepted")
			}
			_, list, ok := strings.Cut(err.Error(), "there are: ")
			list, _, _ = strings.Cut(list, ", at ")
			if !ok || list == "" {
				t.Fatalf("the message lists nothing: %v", err)
			}
			for option := range strings.SplitSeq(list, ", ") {
				if !regexp.MustCompile(`(?m)(^\s*|\| )` + option + `\b`).MatchString(grammar.String()) {
					t.Errorf("%s is not in the README", option)
				}
			}
		})
	}
}
