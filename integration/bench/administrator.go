package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// administrator uses the management API of one environment.
type administrator struct {
	addr        string
	environment string
	token       string
	visitor     visitor
}

// administers gets a token of the environment's administrator.
func (a *authority) administers(environment string) (*administrator, error) {
	token, err := a.issueOne(post(a.addr, "/"+environment+"/as/token", adminID, adminSecret, url.Values{"grant_type": {"client_credentials"}}))
	if err != nil {
		return nil, err
	}
	return &administrator{addr: a.addr, environment: environment, token: token, visitor: visitor{addr: a.addr}}, nil
}

// path is that of something in the environment.
func (a *administrator) path(below string, query url.Values) string {
	path := "/v1/environments/" + a.environment + below
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return path
}

// get is a ready-made request.
func (a *administrator) get(path string) []byte { return get(a.addr, path, a.token) }

// page is what matters of a page of a collection.
type page struct {
	size int
	next string // path and query of the next one; "" on the last
	body int    // bytes
}

// read gets a page.
func (a *administrator) read(path string) (page, error) {
	body, err := a.visitor.ask(a.get(path), http.StatusOK)
	if err != nil {
		return page{}, fmt.Errorf("GET %s: %w", path, err)
	}
	return readPage(body)
}

func readPage(body []byte) (page, error) {
	var answer struct {
		Links struct {
			Next struct {
				Href string `json:"href"`
			} `json:"next"`
		} `json:"_links"`
		Size *int `json:"size"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return page{}, err
	}
	if answer.Size == nil {
		return page{}, errors.New("the answer is no page")
	}
	p := page{size: *answer.Size, body: len(body)}
	if answer.Links.Next.Href != "" {
		u, err := url.Parse(answer.Links.Next.Href)
		if err != nil {
			return page{}, err
		}
		p.next = u.RequestURI()
	}
	return p, nil
}

// do sends a JSON body, where there is one, and reads the answer into v, unless that is nil.
func (a *administrator) do(method, path string, body, v any, want int) error {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return err
		}
	}
	request := fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		method, path, a.addr, a.token, len(text), text)
	answer, err := a.visitor.ask(request, want)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if v == nil {
		return nil
	}
	return json.Unmarshal(answer, v)
}

// imported is a line of the answer to an import.
type imported struct {
	Progress *importProgress `json:"progress"`
	Result   *importProgress `json:"result"`
	Error    json.RawMessage `json:"error"`
}

type importProgress struct {
	Line    int `json:"line"`
	Created int `json:"created"`
}

// imports sends a file of export and tells of the progress. It gives
// how many objects have been made.
func (a *administrator) imports(file io.Reader, tell func(importProgress)) (created int, err error) {
	req, err := http.NewRequest(http.MethodPost, "http://"+a.addr+a.path("/import", nil), file)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/x-ndjson")
	req.Header.Set("Authorization", "Bearer "+a.token)
	resp, err := new(http.Transport).RoundTrip(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1000)) // what there is of it helps
		return 0, fmt.Errorf("import: status %d: %s", resp.StatusCode, text)
	}
	return readImport(resp.Body, tell)
}

// readImport reads the answer to an import to its end.
func readImport(answer io.Reader, tell func(importProgress)) (created int, err error) {
	lines := bufio.NewScanner(answer)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var line imported
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return 0, fmt.Errorf("import: %q: %w", lines.Bytes(), err)
		}
		switch {
		case line.Error != nil:
			return 0, fmt.Errorf("import: %s", line.Error)
		case line.Result != nil:
			return line.Result.Created, nil
		case line.Progress != nil:
			tell(*line.Progress)
		}
	}
	return 0, errors.Join(errors.New("import: the answer has no result"), lines.Err())
}

// exportFile is a file of export with n objects, made while it is read.
func exportFile(environment string, users bool, n int, line func(w *bytes.Buffer, i int)) io.Reader {
	r, w := io.Pipe()
	go func() {
		var b bytes.Buffer
		fmt.Fprintf(&b, `{"format":"gatehouse-environment","version":1,"environment":%q,"organization":"","secrets":false,"users":%t}`+"\n", environment, users)
		for i := range n {
			line(&b, i)
			if b.Len() < 32<<10 {
				continue
			}
			if _, err := w.Write(b.Bytes()); err != nil {
				return // the reader has what it wants
			}
			b.Reset()
		}
		b.WriteString(`{"end":true}` + "\n")
		_, err := w.Write(b.Bytes())
		_ = w.CloseWithError(err) // never fails; nil is the end
	}()
	return r
}

// personLine is one user of a file.
func personLine(w *bytes.Buffer, i int) {
	name := fmt.Sprintf("import%07d", i)
	fmt.Fprintf(w, `{"kind":"user","id":"%08x-0000-4000-9000-%012d","document":{"username":%q,"enabled":true,"claims":{"email":"%s%s","given_name":"Given%02d","family_name":"Family%03d"}}}`+"\n",
		uint32(i)*2654435761, i, name, name, mailDomain, i%givenNames, i/7%familyNames)
}

// applicationLine is one application of a file.
func applicationLine(w *bytes.Buffer, i int) {
	fmt.Fprintf(w, `{"kind":"application","id":"%08x-0000-4000-a000-%012d","document":{"name":"Application %05d","enabled":true,"protocol":"OPENID_CONNECT","type":"WEB_APP",`+
		`"tokenEndpointAuthMethod":"CLIENT_SECRET_BASIC","grantTypes":["AUTHORIZATION_CODE","REFRESH_TOKEN"],"responseTypes":["CODE"],`+
		`"redirectUris":["https://app%05d.example.com/callback"],"postLogoutRedirectUris":["https://app%05d.example.com/"]}}`+"\n",
		uint32(i)*2654435761, i, i, i, i)
}

// populationLine is the population that some people are in.
func populationLine(w *bytes.Buffer, _ int) {
	fmt.Fprintf(w, `{"kind":"population","id":%q,"document":{"name":"Some people"}}`+"\n", somePopulation)
}

// madeApplication is a worker that was made through the API.
type madeApplication struct{ id, secret string }

// makeWorker makes a worker that may ask for the token scope of the declared resource.
func (a *administrator) makeWorker(name string) (madeApplication, error) {
	var app struct {
		ID string `json:"id"`
	}
	err := a.do(http.MethodPost, a.path("/applications", nil), map[string]any{
		"name": name, "enabled": true, "protocol": "OPENID_CONNECT", "type": "SERVICE",
		"tokenEndpointAuthMethod": "CLIENT_SECRET_BASIC", "grantTypes": []string{"CLIENT_CREDENTIALS"},
	}, &app, http.StatusCreated)
	if err != nil {
		return madeApplication{}, err
	}
	var scopes struct {
		Embedded struct {
			Scopes []struct {
				ID   string `json:"id"`
				Name string `json:"name"`
			} `json:"scopes"`
		} `json:"_embedded"`
	}
	if err := a.do(http.MethodGet, a.path("/resources/"+resourceID+"/scopes", nil), nil, &scopes, http.StatusOK); err != nil {
		return madeApplication{}, err
	}
	var granted []map[string]string
	for _, s := range scopes.Embedded.Scopes {
		if s.Name == tokenScope {
			granted = append(granted, map[string]string{"id": s.ID})
		}
	}
	err = a.do(http.MethodPost, a.path("/applications/"+app.ID+"/grants", nil), map[string]any{
		"resource": map[string]string{"id": resourceID}, "scopes": granted,
	}, nil, http.StatusCreated)
	if err != nil {
		return madeApplication{}, err
	}
	var secret struct {
		Secret string `json:"secret"`
	}
	if err := a.do(http.MethodGet, a.path("/applications/"+app.ID+"/secret", nil), nil, &secret, http.StatusOK); err != nil {
		return madeApplication{}, err
	}
	return madeApplication{id: app.ID, secret: secret.Secret}, nil
}

// tokenRequest is the worker's.
func (m madeApplication) tokenRequest(a *authority, environment string) []byte {
	return post(a.addr, "/"+environment+"/as/token", m.id, m.secret, url.Values{"grant_type": {"client_credentials"}, "scope": {tokenScope}})
}

// filtered is the query of a page of at most limit users.
func filtered(filter string, limit int) url.Values {
	query := url.Values{"limit": {fmt.Sprint(limit)}}
	if filter = strings.TrimSpace(filter); filter != "" {
		query.Set("filter", filter)
	}
	return query
}
