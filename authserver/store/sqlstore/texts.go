package sqlstore

// Texts is every statement that a backend is given, by name, so that a
// backend's tests can look at its plans.
func Texts(d Dialect) map[string]string {
	texts := map[string]string{
		"insertAccessToken":     insertAccessToken,
		"accessTokenByID":       accessTokenByID,
		"accessTokensByClient":  accessTokensByClient,
		"accessTokensBySubject": accessTokensBySubject,
		"accessTokensByBoth":    accessTokensByBoth,
		"putRevocation":         putRevocation,
		"neededRevocations":     neededRevocations,
		"readKeyRing":           readKeyRing,
		"firstKeyRing":          firstKeyRing,
		"replaceKeyRing":        replaceKeyRing,
		"spend":                 spend,
	}
	for i, name := range []string{d.ExpiringTokens, "revocations", "spent"} {
		texts["sweep "+name] = newSweepTexts(d)[i]
	}
	if d.NotifyRevocation != "" {
		texts["notifyRevocation"] = d.NotifyRevocation
	}
	return texts
}
