package management

import (
	"net/http"
	"slices"

	"github.com/caddy-gatehouse/gatehouse/authserver/access"
	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

// license is what an organization may do: all that there is. Nobody sells one; it
// is here because clients look it up. Its flags say truly what this server offers.
type license struct {
	Links                     map[string]link     `json:"_links"`
	ID                        string              `json:"id"`
	Name                      string              `json:"name"`
	Package                   string              `json:"package"`
	Status                    string              `json:"status"`
	BeginsAt                  string              `json:"beginsAt"`
	AssignedEnvironmentsCount int                 `json:"assignedEnvironmentsCount"`
	Organization              reference           `json:"organization"`
	Environments              licenseEnvironments `json:"environments"`
	Users                     licenseUsers        `json:"users"`
	MFA                       licenseMFA          `json:"mfa"`
	Authorize                 licenseAuthorize    `json:"authorize"`
	Credentials               licenseCredentials  `json:"credentials"`
	Gateways                  licenseGateways     `json:"gateways"`
	Intelligence              licenseIntelligence `json:"intelligence"`
	Orchestrate               licenseOrchestrate  `json:"orchestrate"`
	Fraud                     licenseFraud        `json:"fraud"`
	Verify                    licenseVerify       `json:"verify"`
	AdvancedServices          licenseAdvanced     `json:"advancedServices"`
}

type licenseEnvironments struct {
	AllowAddResources bool     `json:"allowAddResources"`
	AllowConnections  bool     `json:"allowConnections"`
	AllowCustomDomain bool     `json:"allowCustomDomain"`
	AllowCustomSchema bool     `json:"allowCustomSchema"`
	AllowProduction   bool     `json:"allowProduction"`
	Max               int      `json:"max"`
	Regions           []string `json:"regions"`
}

type licenseUsers struct {
	AllowPasswordManagementNotifications bool `json:"allowPasswordManagementNotifications"`
	AllowIdentityProviders               bool `json:"allowIdentityProviders"`
	AllowMyAccount                       bool `json:"allowMyAccount"`
	AllowPasswordManagement              bool `json:"allowPasswordManagement"`
	AllowPasswordOnlyAuthentication      bool `json:"allowPasswordOnlyAuthentication"`
	AllowPasswordPolicy                  bool `json:"allowPasswordPolicy"`
	AllowProvisioning                    bool `json:"allowProvisioning"`
	AllowInboundProvisioning             bool `json:"allowInboundProvisioning"`
	AllowRoleAssignment                  bool `json:"allowRoleAssignment"`
	AllowVerificationFlow                bool `json:"allowVerificationFlow"`
	AllowUpdateSelf                      bool `json:"allowUpdateSelf"`
	EntitledToSupport                    bool `json:"entitledToSupport"`
	Max                                  int  `json:"max"`
	HardLimitMax                         int  `json:"hardLimitMax"`
	AnnualActiveIncluded                 int  `json:"annualActiveIncluded"`
	MonthlyActiveIncluded                int  `json:"monthlyActiveIncluded"`
}

type licenseMFA struct {
	AllowPushNotification             bool `json:"allowPushNotification"`
	AllowNotificationOutsideWhitelist bool `json:"allowNotificationOutsideWhitelist"`
	AllowFIDO2Devices                 bool `json:"allowFido2Devices"`
	AllowVoiceOTP                     bool `json:"allowVoiceOtp"`
	AllowEmailOTP                     bool `json:"allowEmailOtp"`
	AllowSMSOTP                       bool `json:"allowSmsOtp"`
	AllowTOTP                         bool `json:"allowTotp"`
}

type licenseAuthorize struct {
	AllowAPIAccessManagement  bool `json:"allowApiAccessManagement"`
	AllowDynamicAuthorization bool `json:"allowDynamicAuthorization"`
}

type licenseCredentials struct {
	AllowCredentials bool `json:"allowCredentials"`
}

type licenseGateways struct {
	AllowLDAPGateway     bool `json:"allowLdapGateway"`
	AllowKerberosGateway bool `json:"allowKerberosGateway"`
	AllowRADIUSGateway   bool `json:"allowRadiusGateway"`
}

type licenseIntelligence struct {
	AllowGeoVelocity               bool `json:"allowGeoVelocity"`
	AllowAnonymousNetworkDetection bool `json:"allowAnonymousNetworkDetection"`
	AllowReputation                bool `json:"allowReputation"`
	AllowDataConsent               bool `json:"allowDataConsent"`
	AllowRisk                      bool `json:"allowRisk"`
	AllowAdvancedPredictors        bool `json:"allowAdvancedPredictors"`
}

type licenseOrchestrate struct {
	AllowOrchestration bool `json:"allowOrchestration"`
}

type licenseFraud struct {
	AllowBotMaliciousDeviceDetection bool `json:"allowBotMaliciousDeviceDetection"`
	AllowAccountProtection           bool `json:"allowAccountProtection"`
}

type licenseVerify struct {
	AllowPushNotifications  bool `json:"allowPushNotifications"`
	AllowDocumentMatch      bool `json:"allowDocumentMatch"`
	AllowFaceMatch          bool `json:"allowFaceMatch"`
	AllowManualIDInspection bool `json:"allowManualIdInspection"`
}

type licenseAdvanced struct {
	PingID licensePingID `json:"pingId"`
}

type licensePingID struct {
	Included bool   `json:"included"`
	Type     string `json:"type"`
}

// unlimited is the most that the clients' number holds.
const unlimited = 1<<31 - 1

// licenseBegins is before anybody can have had one.
const licenseBegins = "2020-01-01T00:00:00.000Z"

const licensesPath = "/organizations/{organizationID}/licenses"

// licenseRoutes are the one licence of the caller's organization.
func (a *API) licenseRoutes() []route {
	return []route{
		{
			name: "license.list", method: http.MethodGet, path: licensesPath, permission: access.ReadOrganization, somewhere: true,
			serve: listLicenses, summary: "Lists the licence of the organization.",
			query:  append([]parameter{{"filter", "Which are listed: status eq; beginsAt lt; name eq, sw; id eq."}}, paging...),
			status: http.StatusOK, response: license{}, isPage: "licenses",
		},
		{
			name: "license.read", method: http.MethodGet, path: licensesPath + "/{licenseID}",
			permission: access.ReadOrganization, somewhere: true,
			serve: readLicense, summary: "Reads the licence of the organization.", status: http.StatusOK, response: license{},
		},
	}
}

func listLicenses(c *call) error {
	if err := c.ownOrganization(); err != nil {
		return err
	}
	matches, err := c.plainFilter(attribute{"status", []string{"eq"}}, attribute{"beginsAt", []string{"lt"}},
		attribute{"name", []string{"eq", "sw"}}, attribute{"id", []string{"eq"}})
	if err != nil {
		return err
	}
	l, err := c.license()
	if err != nil {
		return err
	}
	all := []license{l}
	values := map[string]string{"status": l.Status, "beginsAt": l.BeginsAt, "name": l.Name, "id": l.ID}
	if matches != nil && !matches(func(name string) string { return values[name] }) {
		all = nil
	}
	return listAll(c, "licenses", all, func(l license) string { return l.ID }, func(l license) any { return l })
}

func readLicense(c *call) error {
	if err := c.ownOrganization(); err != nil {
		return err
	}
	l, err := c.license()
	switch {
	case err != nil:
		return err
	case l.ID != c.param("licenseID"):
		return web.NotFound()
	}
	return c.reply(http.StatusOK, l)
}

// license is that of the caller's organization.
func (c *call) license() (license, error) {
	id := c.who.Environment.Organization
	all, err := c.api.Live.Environments(c.r.Context())
	if err != nil {
		return license{}, oauth.CannotTell("list environments", err)
	}
	l := license{
		ID: directory.LicenseID(id), Name: "Gatehouse", Package: "GATEHOUSE", Status: "ACTIVE", BeginsAt: licenseBegins,
		Organization: reference{id},
		Environments: licenseEnvironments{
			AllowAddResources: true, AllowConnections: true, AllowCustomDomain: true, AllowProduction: true, Max: directory.MaxEnvironments,
			Regions: slices.Clone(licenseRegions),
		},
		Users: licenseUsers{
			AllowPasswordManagementNotifications: true, AllowPasswordManagement: true, AllowPasswordOnlyAuthentication: true,
			AllowPasswordPolicy: true, AllowRoleAssignment: true, AllowVerificationFlow: true, AllowUpdateSelf: true,
			Max: unlimited, HardLimitMax: unlimited, AnnualActiveIncluded: unlimited, MonthlyActiveIncluded: unlimited,
		},
		AdvancedServices: licenseAdvanced{PingID: licensePingID{Type: "NONE"}},
	}
	self := "/organizations/" + id
	l.Links = c.links(self+"/licenses/"+l.ID, map[string]string{"organization": self})
	for _, env := range all {
		if env.Organization == id {
			l.AssignedEnvironmentsCount++
		}
	}
	return l, nil
}

// licenseRegions are the codes of regions as licences write them.
var licenseRegions = []string{"AP", "AU", "CA", "EU", "NORTH_AMERICA", "SG"}
