package ui

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/caddy-gatehouse/gatehouse/authserver/flow"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed style.css
var styleSheet string

// common is the style sheet of all pages.
var common = newSheet(styleSheet)

// templates maps a page to its template inside the common layout. They are parsed for the first page, as languages are read.
var templates = sync.OnceValue(func() map[string]*template.Template {
	return parseTemplates(
		"sign_on", "account", "register", "verify", "forgot", "recover", "change_password", "consent", "finished",
		"confirm_sign_off", "signed_off", "error",
	)
})

// parseTemplates panics over a damaged template: it is part of the program.
func parseTemplates(names ...string) map[string]*template.Template {
	layout := template.Must(template.ParseFS(templateFiles, "templates/layout.html", "templates/parts.html"))
	all := make(map[string]*template.Template, len(names))
	for _, name := range names {
		all[name] = template.Must(template.Must(layout.Clone()).ParseFS(templateFiles, "templates/"+name+".html"))
	}
	return all
}

// view is what a template shows. It belongs to one response.
type view struct {
	page   string
	values map[string]string // what was typed, secrets excepted
	wrong  map[string][]string
	focus  string // the field to begin with

	Lang   string // BCP 47
	Title  string // heading
	Text   string
	Brand  brand
	Client *clientView // nil where no application is involved
	Person *person     // nil while unknown
	Notice string      // something went well, or is new
	Alert  string      // something went wrong

	// Of a flow.
	Query   string // of the page's own address, "?flowId=…"
	Token   string // anti-forgery
	actions []flow.Action
	Scopes  []scopeView
	// MinLength is how many characters a password needs.
	MinLength int

	// Of signing off.
	Target string
	Hidden []hiddenField
	Frames []string
	Next   template.URL
	Script template.JS

	// Of an error.
	Code, Detail, Correlation string
}

type hiddenField struct{ Name, Value string }

// newView begins a view of a page in a language.
func newView(page string, env *store.Environment, lang string) *view {
	v := &view{page: page, Lang: lang, Brand: brandOf(env), values: map[string]string{}, wrong: map[string][]string{}}
	if env != nil {
		v.MinLength = env.SignOn.PasswordMinLength
	}
	return v
}

// T is the text of a key of messages.
func (v *view) T(key string, pairs ...any) string { return translate(v.Lang, key, pairs...) }

// Rich is T with one place filled by a name somebody else chose, set apart from
// the sentence around it so that it cannot pose as part of it, whatever its script's direction.
func (v *view) Rich(key, place, name string) template.HTML {
	before, after, _ := strings.Cut(v.T(key), "{"+place+"}")
	return template.HTML(template.HTMLEscapeString(before) +
		`<bdi class="name">` + template.HTMLEscapeString(name) + `</bdi>` + template.HTMLEscapeString(after))
}

// Can reports whether an action is possible now.
func (v *view) Can(action string) bool {
	for _, a := range v.actions {
		if string(a) == action {
			return true
		}
	}
	return false
}

// DocTitle is the title of the window: errors first, so that they are heard first.
func (v *view) DocTitle() string {
	title := v.Title + " · " + v.Brand.Name
	if v.Alert != "" || len(v.wrong) > 0 {
		return v.T("title.problem") + ": " + title
	}
	return title
}

// Styles are the style elements of the page.
func (v *view) Styles() []template.CSS { return []template.CSS{common.text, v.Brand.style.text} }

// buffers hold pages while they are made, so that nothing is sent of one that fails.
var buffers = sync.Pool{New: func() any { return &bytes.Buffer{} }}

// write sends the page with its headers.
func (v *view) write(w http.ResponseWriter, r *http.Request, status int, p policy) {
	p.styles = []*sheet{common, v.Brand.style}
	if v.Brand.Logo != "" {
		p.images = append(p.images, v.Brand.Logo)
	}
	if v.Client != nil && v.Client.Logo != "" {
		p.images = append(p.images, v.Client.Logo)
	}
	body := buffers.Get().(*bytes.Buffer)
	defer buffers.Put(body)
	body.Reset()
	if err := templates()[v.page].ExecuteTemplate(body, "layout", v); err != nil {
		panic(err) // a template of ours and a view of ours: the tests show every pair
	}
	secure(w.Header(), p)
	w.Header().Set("Content-Length", strconv.Itoa(body.Len()))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body.Bytes()) // a browser that went away is nobody's failure
	}
}

// clientView is the application that a person signs on for.
type clientView struct {
	Name, Logo, Policy, Terms, Home string
}

// viewClient leaves out every address that is not http(s).
func viewClient(c *store.Client) *clientView {
	if c == nil {
		return nil
	}
	address := func(s string) string {
		if webAddress(s) {
			return s
		}
		return ""
	}
	v := &clientView{
		Name: c.Name, Logo: address(c.LogoURI), Policy: address(c.PolicyURI), Terms: address(c.TOSURI), Home: address(c.ClientURI),
	}
	if v.Name == "" {
		v.Name = c.ID
	}
	if v.Home == "" {
		v.Home = address(c.InitiateLoginURI)
	}
	return v
}

// person is whom a page speaks to.
type person struct {
	Name     string // may be the username
	Username string
	Initial  string
}

func viewPerson(u *store.User) *person {
	if u == nil {
		return nil
	}
	p := &person{Name: u.Username, Username: u.Username}
	if name, ok := u.Claims["name"].(string); ok && strings.TrimSpace(name) != "" {
		p.Name = name
	}
	p.Initial = initial(p.Name)
	return p
}

// scopeView is one scope to agree to.
type scopeView struct {
	Title, Text string
	Name        string // set where we have no words for it
	Resource    string // what people call the custom resource whose scope it is
}

func (v *view) scopes(asked []flow.Scope) []scopeView {
	all := make([]scopeView, 0, len(asked))
	for _, scope := range asked {
		key := "scope." + scope.Name
		if scope.Resource != "" || !hasMessage(key+".title") { // our words are for scopes of OpenID Connect
			all = append(all, scopeView{Name: scope.Name, Resource: scope.ResourceName})
			continue
		}
		all = append(all, scopeView{Title: v.T(key + ".title"), Text: v.T(key + ".text")})
	}
	return all
}
