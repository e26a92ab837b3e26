package registration

import (
	"sync"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/fetch"
)

// display reads what people are shown.
func (j *judged) display(r *Registrar) {
	j.client.Name = j.text("client_name")
	if len(j.client.Name) > maxName {
		j.fail(invalid("client_name is too long"))
	}
	j.keep("client_name", j.client.Name)
	contacts, _ := j.texts("contacts")
	j.keep("contacts", contacts)
	for _, link := range []struct {
		name string
		to   *string
	}{{"logo_uri", &j.client.LogoURI}, {"client_uri", &j.client.ClientURI}, {"policy_uri", &j.client.PolicyURI}, {"tos_uri", &j.client.TOSURI}} {
		*link.to = j.fetched(r, link.name)
	}
}

// fetched reads an address that this server, or the browser on one of its pages,
// may go to by itself. Whether a name stands for an address that may be contacted is
// judged when it is.
func (j *judged) fetched(r *Registrar, name string) string {
	raw := j.text(name)
	if raw == "" {
		return ""
	}
	outbound := r.Outbound
	if outbound == nil {
		outbound = publicOnly()
	}
	if u, err := outbound.Strangers().CheckURL(raw); err != nil || u.String() != raw {
		j.fail(invalid("%s is not an https address on the public Internet", name))
		return ""
	}
	j.keep(name, raw)
	return raw
}

// publicOnly judges addresses where nothing else was configured. It makes no
// request.
var publicOnly = sync.OnceValue(func() *fetch.Client {
	c, err := fetch.NewClient(fetch.Options{})
	if err != nil {
		panic(err) // the defaults are good
	}
	return c
})
