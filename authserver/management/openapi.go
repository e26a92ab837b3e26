package management

import "net/http"

// descriptionPath is where the description is, behind /v1.
const descriptionPath = "/openapi.json"

func (a *API) openAPIRoutes() []route {
	return []route{{
		name: "openapi.read", method: http.MethodGet, path: descriptionPath, open: true,
		serve: a.describe, summary: "Describes this API.", status: http.StatusOK,
	}}
}

// describe writes the OpenAPI description of the route table.
func (a *API) describe(c *call) error {
	return c.reply(http.StatusOK, map[string]any{"openapi": "3.1.0"})
}
