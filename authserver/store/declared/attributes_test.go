package declared_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
)

func TestAttributes(t *testing.T) {
	c := good()
	c.Environments[0].Applications[1].Attributes = []declared.Attribute{
		{Claim: "department", Source: "${user.department}"},
		{Claim: "tier", Source: "gold", IDToken: true},
		{Claim: "given", Source: "${user.name.given}", UserInfo: true},
	}
	c.Environments[0].Resources[0].Attributes = []declared.ResourceAttribute{
		{Claim: "sub", Source: "${user.employee}", Required: true}, {Claim: "tenant", Source: "acme"},
	}
	d, err := declared.New(c)
	if err != nil {
		t.Fatal(err)
	}
	web, err := d.ClientByID(t.Context(), id, "web")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]store.Attribute{
		{Claim: "department", From: store.Source{User: "department"}, IDToken: true, UserInfo: true},
		{Claim: "tier", From: store.Source{Text: "gold"}, IDToken: true},
		{Claim: "given", From: store.Source{User: "given_name"}, UserInfo: true},
	}, web.Attributes); diff != "" {
		t.Errorf("application (-want +got):\n%s", diff)
	}
	orders, err := d.ResourceByID(t.Context(), id, "orders")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]store.ResourceAttribute{
		{Claim: "sub", From: store.Source{User: "employee"}, Required: true}, {Claim: "tenant", From: store.Source{Text: "acme"}},
	}, orders.Attributes); diff != "" {
		t.Errorf("resource (-want +got):\n%s", diff)
	}
}

func TestAttributeErrors(t *testing.T) {
	tests := []struct {
		name          string
		claim, source string
		of            string // application, resource, or both
		want          string
	}{
		{"no claim", "", "x", "both", `attribute: "" is not the name of a claim`},
		{"no source", "a", "", "both", "attribute: a: the source is empty"},
		{"reserved", "scope", "x", "both", `attribute: the claim "scope" is reserved`},
		{"sub of an application", "sub", "x", "application", `attribute: the claim "sub" is reserved`},
		{"an unknown placeholder", "a", "${session.id}", "both", `attribute: a: unknown placeholder "${session.id}"`},
		{"mapped twice", "twice", "x", "both", `attribute: the claim "twice" is mapped twice`},
	}
	for _, tt := range tests {
		for _, of := range []string{"application", "resource"} {
			if tt.of != of && tt.of != "both" {
				continue
			}
			t.Run(tt.name+"/"+of, func(t *testing.T) {
				c := good()
				e := &c.Environments[0]
				label := `application "web": `
				if of == "resource" {
					label = `resource "orders": `
					e.Resources[0].Attributes = []declared.ResourceAttribute{{Claim: "twice", Source: "x"}, {Claim: tt.claim, Source: tt.source}}
				} else {
					e.Applications[1].Attributes = []declared.Attribute{{Claim: "twice", Source: "x"}, {Claim: tt.claim, Source: tt.source}}
				}
				_, err := declared.New(c)
				if err == nil || !strings.HasPrefix(err.Error(), "environment demo: "+label+tt.want) {
					t.Errorf("error = %v, want …%s%s", err, label, tt.want)
				}
			})
		}
	}
}
