package authorize

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"html/template"
	"net/http"
	"strings"
)

// The page that posts a response (OAuth 2.0 Form Post Response Mode §2). Its
// script does what the button does, and nothing on it is named submit, since a
// control of that name would hide the function.
const (
	formPostScript = `document.forms[0].submit()`
	formPostStyle  = `:root{color-scheme:light dark}body{font:1rem/1.5 system-ui,sans-serif;margin:4rem auto;max-width:24rem;padding:0 1rem;text-align:center}h1{font-size:1.5rem;line-height:1.3}` +
		`button{font:inherit;font-weight:600;padding:.75rem 1.5rem;border:0;border-radius:.5rem;background:#1a56db;color:#fff;cursor:pointer}` +
		`button:hover{background:#1e429f}button:focus-visible{outline:3px solid #1a56db;outline-offset:3px}`
)

var formPostPage = template.Must(template.New("form_post").Parse(`<!DOCTYPE html>
<html lang="{{.Text.Lang}}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{{.Text.Title}}</title>
<style>` + formPostStyle + `</style>
</head>
<body>
<main>
<h1>{{.Text.Title}}</h1>
<p>{{.Text.Lead}}</p>
<form method="post" action="{{.Action}}">
{{range .Params}}<input type="hidden" name="{{index . 0}}" value="{{index . 1}}">
{{end}}<button type="submit" id="continue">{{.Text.Button}}</button>
</form>
</main>
<script>` + formPostScript + `</script>
</body>
</html>
`))

// formPostPolicy lets the page run its one script and load nothing. It says
// nothing of form-action, which would have to name the client's host and
// whatever that one redirects to.
var formPostPolicy = "default-src 'none'; script-src '" + sourceHash(formPostScript) + "'; style-src '" + sourceHash(formPostStyle) +
	"'; base-uri 'none'; frame-ancestors 'none'"

func sourceHash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// formPostText is the page's words.
type formPostText struct{ Lang, Title, Lead, Button string }

var formPostTexts = map[bool]formPostText{
	false: {"en", "Going back to the application", "If nothing happens, press the button.", "Continue"},
	true:  {"de", "Zurück zur Anwendung", "Falls nichts geschieht, drücken Sie den Knopf.", "Weiter"},
}

// writeFormPost writes the page. The address has passed the redirect_uri check,
// so that the template need not judge its scheme; it still escapes it.
func (r *Response) writeFormPost(w http.ResponseWriter, req *http.Request) {
	german := strings.HasPrefix(strings.ToLower(req.Header.Get("Accept-Language")), "de")
	var page bytes.Buffer
	err := formPostPage.Execute(&page, struct {
		Text   formPostText
		Action template.URL
		Params [][2]string
	}{formPostTexts[german], template.URL(r.ReplyTo.URI), r.Params})
	if err != nil {
		panic(err) // a fixed template over strings
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", formPostPolicy)
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Add("Vary", "Accept-Language")
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(page.Bytes())
}
