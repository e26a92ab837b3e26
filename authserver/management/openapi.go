package management

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
)

// descriptionPath is where the description is, behind /v1.
const descriptionPath = "/openapi.json"

// openAPIRoutes are the description, which is for everyone: it says nothing that
// this program's source does not.
func (a *API) openAPIRoutes() []route {
	return []route{{
		name: "openapi.read", method: http.MethodGet, path: descriptionPath, open: true,
		serve: describe, summary: "Describes this API (OpenAPI 3.1).", status: http.StatusOK, response: map[string]any{},
	}}
}

func describe(c *call) error {
	web.WriteJSON(c.w, http.StatusOK, c.api.description)
	return nil
}

// describeTable makes the description of a route table.
func describeTable(table []route, url string) []byte {
	s := schemas{made: map[string]any{}, names: map[string]string{}}
	paths := map[string]map[string]any{}
	tags := []map[string]any{}
	tagged := map[string]bool{}
	for _, rt := range table {
		item := paths[rt.path]
		if item == nil {
			item = map[string]any{}
			if variables := variablesOf(rt.path); len(variables) > 0 {
				item["parameters"] = variables
			}
			paths[rt.path] = item
		}
		item[strings.ToLower(rt.method)] = s.operation(&rt)
		if tag := collectionOfName(rt.name); !tagged[tag] {
			tagged[tag] = true
			tags = append(tags, map[string]any{"name": tag})
		}
	}
	description := map[string]any{
		"openapi": "3.1.0",
		"info": map[string]any{
			"title": "Gatehouse management API", "version": "1",
			"description": "PingOne's management API. A worker application's access token, or one that it got for a user, " +
				"calls it; the roles of the application or of the user decide what it may do.",
		},
		"servers":  []any{map[string]any{"url": strings.TrimSuffix(url, "/") + prefix}},
		"security": []any{map[string]any{"bearer": []any{}}},
		"tags":     tags, "paths": paths,
		"components": map[string]any{
			"schemas":         s.made,
			"securitySchemes": map[string]any{"bearer": map[string]any{"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
			"responses": map[string]any{"Error": map[string]any{
				"description": "The request was refused.",
				"content":     map[string]any{typeJSON: map[string]any{"schema": errorSchema}},
			}},
			"headers": map[string]any{
				"ETag": map[string]any{"description": "The version of the object, for If-Match.", "schema": map[string]any{"type": "string"}},
			},
			"parameters": map[string]any{"If-Match": map[string]any{
				"name": "If-Match", "in": "header", "schema": map[string]any{"type": "string"},
				"description": "The ETag of the version that is to be changed; another one is 412. Without it the last write counts.",
			}},
		},
	}
	b, err := json.Marshal(description)
	if err != nil {
		panic(err) // maps of text
	}
	return b
}

// errorSchema is the body of errors.
var errorSchema = map[string]any{
	"type": "object", "required": []string{"id", "code", "message"},
	"properties": map[string]any{
		"id":      map[string]any{"type": "string", "description": "The correlation id of the request."},
		"code":    map[string]any{"type": "string"},
		"message": map[string]any{"type": "string"},
		"details": map[string]any{"type": "array", "items": map[string]any{
			"type": "object", "required": []string{"code", "message"},
			"properties": map[string]any{
				"code": map[string]any{"type": "string"}, "target": map[string]any{"type": "string"},
				"message": map[string]any{"type": "string"}, "innerError": map[string]any{"type": "object"},
			},
		}},
	},
}

// collectionOfName is what a route is about: what is before the first dot of its name.
func collectionOfName(name string) string {
	collection, _, _ := strings.Cut(name, ".")
	return collection
}

// variablesOf describes the variable segments of a path.
func variablesOf(path string) []any {
	var all []any
	for segment := range strings.SplitSeq(path, "/") {
		if segment != "" && segment[0] == '{' {
			all = append(all, map[string]any{
				"name": strings.Trim(segment, "{}"), "in": "path", "required": true, "schema": map[string]any{"type": "string"},
			})
		}
	}
	return all
}

// operation describes a route.
func (s *schemas) operation(rt *route) map[string]any {
	o := map[string]any{
		"operationId": rt.name, "summary": rt.summary, "tags": []string{collectionOfName(rt.name)}, "responses": s.responses(rt),
	}
	if rt.open {
		o["security"] = []any{}
	} else {
		o["x-permission"] = rt.permission
	}
	var parameters []any
	for _, p := range rt.query {
		parameters = append(parameters, map[string]any{
			"name": p.name, "in": "query", "description": p.description, "schema": map[string]any{"type": queryType(p.name)},
		})
	}
	switch rt.method {
	case http.MethodPut, http.MethodPatch, http.MethodDelete:
		parameters = append(parameters, map[string]any{"$ref": "#/components/parameters/If-Match"})
	}
	if parameters != nil {
		o["parameters"] = parameters
	}
	if rt.request != nil {
		content := map[string]any{}
		for kind, body := range rt.request {
			content[kind] = map[string]any{}
			if body != nil {
				content[kind] = map[string]any{"schema": s.of(body)}
			}
		}
		o["requestBody"] = map[string]any{"content": content}
	}
	return o
}

func queryType(name string) string {
	if name == "limit" {
		return "integer"
	}
	return "string"
}

// responses describes the answers to a route.
func (s *schemas) responses(rt *route) map[string]any {
	failed := map[string]any{"$ref": "#/components/responses/Error"}
	all := map[string]any{"4XX": failed, "5XX": failed}
	answer := map[string]any{"description": http.StatusText(rt.status)}
	all[strconv.Itoa(rt.status)] = answer
	if rt.response == nil && rt.mediaType == "" {
		return all
	}
	kind := rt.mediaType
	if kind == "" {
		kind = typeJSON
	}
	media := map[string]any{}
	if rt.response != nil {
		media["schema"] = s.answer(rt)
	}
	answer["content"] = map[string]any{kind: media}
	if _, ok := rt.response.(directory.Document); ok && rt.isPage == "" {
		answer["headers"] = map[string]any{"ETag": map[string]any{"$ref": "#/components/headers/ETag"}}
	}
	return all
}

// answer is the schema of what a route answers: an object, or a page of them.
func (s *schemas) answer(rt *route) map[string]any {
	one := s.of(rt.response)
	if _, ok := rt.response.(directory.Document); ok {
		one = map[string]any{"allOf": []any{one, s.object()}}
	}
	if rt.isPage == "" {
		return one
	}
	return map[string]any{
		"type": "object", "required": []string{"_links", "_embedded"},
		"properties": map[string]any{
			"_links": s.links(),
			"_embedded": map[string]any{
				"type": "object", "required": []string{rt.isPage},
				"properties": map[string]any{rt.isPage: map[string]any{"type": "array", "items": one}},
			},
			"count": map[string]any{"type": "integer", "description": "How many there are on all pages, where that is known."},
			"size":  map[string]any{"type": "integer", "description": "How many are on this page."},
		},
	}
}

// object is what surrounds every document.
func (s *schemas) object() map[string]any {
	const name = "Object"
	if s.made[name] == nil {
		id := map[string]any{"type": "string", "readOnly": true}
		at := map[string]any{"type": "string", "format": "date-time", "readOnly": true}
		s.made[name] = map[string]any{
			"type": "object", "required": []string{"_links", "id"},
			"properties": map[string]any{
				"_links": s.links(), "id": id, "createdAt": at, "updatedAt": at,
				"environment": map[string]any{"type": "object", "readOnly": true, "properties": map[string]any{"id": id}},
			},
		}
	}
	return map[string]any{"$ref": "#/components/schemas/" + name}
}

func (s *schemas) links() map[string]any {
	const name = "Links"
	if s.made[name] == nil {
		s.made[name] = map[string]any{
			"type": "object", "readOnly": true,
			"additionalProperties": map[string]any{
				"type": "object", "required": []string{"href"}, "properties": map[string]any{"href": map[string]any{"type": "string", "format": "uri"}},
			},
		}
	}
	return map[string]any{"$ref": "#/components/schemas/" + name}
}
