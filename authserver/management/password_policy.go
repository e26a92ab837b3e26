package management

import (
	"net/http"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/identity"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
)

// passwordPolicyView is the environment's one policy: what identity judges new passwords by.
func (c *call) passwordPolicyView() map[string]any {
	id := directory.PasswordPolicy(c.env.ID)
	attempts, duration := identity.Lockout(c.env)
	v := map[string]any{
		"_links": c.links("/environments/"+c.env.ID+"/passwordPolicies/"+id, map[string]string{"environment": "/environments/" + c.env.ID}),
		"id":     id, "environment": reference{c.env.ID}, "name": "Standard", "default": true,
		"description":          "The rules of this server. They are set where the environment is configured.",
		"length":               map[string]any{"min": identity.MinLength(c.env), "max": identity.MaxLength},
		"excludesCommonlyUsed": true, "excludesProfileData": true, "notSimilarToCurrent": true,
		"bypassPolicy": false,
	}
	if attempts > 0 {
		v["lockout"] = map[string]any{"failureCount": attempts, "durationSeconds": wholeSeconds(duration)}
	}
	if age := c.env.SignOn.PasswordMaxAge; age > 0 {
		v["maxAgeDays"] = int(age.Hours() / 24)
	}
	return v
}

func (c *call) listPasswordPolicies() error {
	if _, err := c.page(maxPage); err != nil {
		return err
	}
	return c.collection("passwordPolicies", []any{c.passwordPolicyView()}, "")
}

func (c *call) readPasswordPolicy() error {
	if c.param("passwordPolicyID") != directory.PasswordPolicy(c.env.ID) {
		return web.NotFound()
	}
	return c.reply(http.StatusOK, c.passwordPolicyView())
}
