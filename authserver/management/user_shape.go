package management

// What users look like, for the description of the API. An organization's own
// attributes are further members.
type (
	userShape struct {
		ID                string          `json:"id,omitempty"`
		Environment       *reference      `json:"environment,omitempty"`
		Username          string          `json:"username"`
		Email             string          `json:"email"`
		EmailVerified     *bool           `json:"emailVerified,omitempty"`
		Population        *reference      `json:"population,omitempty"`
		Name              *nameShape      `json:"name,omitempty"`
		Address           *addressShape   `json:"address,omitempty"`
		Photo             *photoShape     `json:"photo,omitempty"`
		Account           *accountShape   `json:"account,omitempty"`
		IdentityProvider  *providerShape  `json:"identityProvider,omitempty"`
		Lifecycle         *lifecycleShape `json:"lifecycle,omitempty"`
		Enabled           *bool           `json:"enabled,omitempty"`
		MFAEnabled        *bool           `json:"mfaEnabled,omitempty"`
		VerifyStatus      string          `json:"verifyStatus,omitempty"`
		ExternalID        string          `json:"externalId,omitempty"`
		AccountID         string          `json:"accountId,omitempty"`
		Nickname          string          `json:"nickname,omitempty"`
		Title             string          `json:"title,omitempty"`
		Type              string          `json:"type,omitempty"`
		Locale            string          `json:"locale,omitempty"`
		PreferredLanguage string          `json:"preferredLanguage,omitempty"`
		Timezone          string          `json:"timezone,omitempty"`
		PrimaryPhone      string          `json:"primaryPhone,omitempty"`
		MobilePhone       string          `json:"mobilePhone,omitempty"`
		LastSignOn        *lastSignShape  `json:"lastSignOn,omitempty"`
		CreatedAt         string          `json:"createdAt,omitempty"`
		UpdatedAt         string          `json:"updatedAt,omitempty"`
	}
	nameShape struct {
		Given           string `json:"given,omitempty"`
		Family          string `json:"family,omitempty"`
		Middle          string `json:"middle,omitempty"`
		Formatted       string `json:"formatted,omitempty"`
		HonorificPrefix string `json:"honorificPrefix,omitempty"`
		HonorificSuffix string `json:"honorificSuffix,omitempty"`
	}
	addressShape struct {
		StreetAddress string `json:"streetAddress,omitempty"`
		Locality      string `json:"locality,omitempty"`
		Region        string `json:"region,omitempty"`
		PostalCode    string `json:"postalCode,omitempty"`
		CountryCode   string `json:"countryCode,omitempty"`
	}
	photoShape struct {
		Href string `json:"href"`
	}
	accountShape struct {
		CanAuthenticate    bool   `json:"canAuthenticate"`
		Status             string `json:"status"`
		LockedAt           string `json:"lockedAt,omitempty"`
		UnlockAt           string `json:"unlockAt,omitempty"`
		SecondsUntilUnlock int64  `json:"secondsUntilUnlock,omitempty"`
	}
	lifecycleShape struct {
		Status                   string `json:"status"`
		SuppressVerificationCode bool   `json:"suppressVerificationCode,omitempty"`
	}
	lastSignShape struct {
		At       string `json:"at"`
		RemoteIP string `json:"remoteIp,omitempty"`
	}
	// importShape is a user who is created with a password.
	importShape struct {
		userShape
		Password *passwordShape `json:"password,omitempty"`
	}
	passwordShape struct {
		Value       string `json:"value"`
		ForceChange bool   `json:"forceChange,omitempty"`
	}
	enabledShape struct {
		Enabled bool `json:"enabled"`
	}
	verifyStatusShape struct {
		VerifyStatus string `json:"verifyStatus"`
	}
	mfaEnabledShape struct {
		MFAEnabled bool `json:"mfaEnabled"`
	}
)
