package access

// selfService are the scopes by which people allow an application to act for
// them, and what each gives on the user alone.
var selfService = map[string][]Permission{
	"p1:read:user":             {ReadUser},
	"p1:update:user":           {UpdateUser},
	"p1:read:userPassword":     {ReadPassword},
	"p1:reset:userPassword":    {ResetPassword}, // by knowing the current one
	"p1:validate:userPassword": {ValidatePassword},
	"p1:read:oauthConsents":    {ReadConsent},
	"p1:update:oauthConsents":  {DeleteConsent},
	"p1:read:sessions":         {ReadSession},
	"p1:delete:sessions":       {DeleteSession},
}

func selfPermissions(scopes []string) []Permission {
	var all []Permission
	for _, s := range scopes {
		all = append(all, selfService[s]...)
	}
	return all
}
