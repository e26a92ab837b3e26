package sqlstore

import "fmt"

// texts are the statements that differ between the databases.
type texts struct {
	sweep           []sweepText
	families        []familyTexts // in the order of familyKeys
	claimDeliveries string
	objectsByKey    string
	scan            scanTexts
	apply           applyTexts
	purge           []purgeText
}

func newTexts(d Dialect) texts {
	return texts{
		sweep: newSweepTexts(d), families: newFamilyTexts(d), claimDeliveries: claimDeliveries(d),
		objectsByKey: objectsByKey(d), scan: newScanTexts(d), apply: newApplyTexts(d), purge: newPurgeTexts(),
	}
}

// Texts is every statement that a backend is given, by name, so that a
// backend's tests can look at its plans.
func Texts(d Dialect) map[string]string {
	all := map[string]string{
		"insertAccessToken":       insertAccessToken,
		"insertGrantedToken":      insertGrantedToken,
		"insertTokenWithData":     insertTokenWithData,
		"accessTokenByID":         accessTokenByID,
		"accessTokenEnvironment":  accessTokenEnvironment,
		"accessTokensByClient":    accessTokensByClient,
		"accessTokensBySubject":   accessTokensBySubject,
		"accessTokensByBoth":      accessTokensByBoth,
		"putRevocation":           putRevocation,
		"neededRevocations":       neededRevocations,
		"readKeyRing":             readKeyRing,
		"firstKeyRing":            firstKeyRing,
		"replaceKeyRing":          replaceKeyRing,
		"spend":                   spend,
		"insertTicket":            insertTicket,
		"ticketByHash":            ticketByHash,
		"takeTicket":              takeTicket,
		"insertFlow":              insertFlow,
		"flowByID":                flowByID,
		"replaceFlow":             replaceFlow,
		"deleteFlow":              deleteFlow,
		"insertSession":           insertSession,
		"sessionByToken":          sessionByToken,
		"sessionByID":             sessionByID,
		"replaceSession":          replaceSession,
		"endSession":              endSession,
		"listSessions":            listSessions,
		"insertFamily":            insertFamily,
		"insertFirst":             insertFirst,
		"familyByToken":           familyByToken,
		"rotateToken":             rotateToken,
		"insertSuccessor":         insertSuccessor,
		"keepFamily":              keepFamily,
		"changeFamily":            changeFamily,
		"successor":               successor,
		"endFamily":               endFamily,
		"putConsent":              putConsent,
		"consentTo":               consentTo,
		"listConsents":            listConsents,
		"deleteConsent":           deleteConsent,
		"insertUser":              insertUser,
		"userByID":                userByID,
		"userByName":              userByName,
		"replaceUser":             replaceUser,
		"deleteCredentialOfUser":  deleteCredentialOfUser,
		"deleteConsentsOfUser":    deleteConsentsOfUser,
		"deleteUser":              deleteUser,
		"credentialOf":            credentialOf,
		"insertCredential":        insertCredential,
		"replaceCredential":       replaceCredential,
		"insertRegisteredClient":  insertRegisteredClient,
		"registeredClientByID":    registeredClientByID,
		"listRegisteredClients":   listRegisteredClients,
		"replaceRegisteredClient": replaceRegisteredClient,
		"deleteRegisteredClient":  deleteRegisteredClient,
		"insertPostLogoutURI":     insertPostLogoutURI,
		"clearPostLogoutURIs":     clearPostLogoutURIs,
		"deletePostLogoutURIs":    deletePostLogoutURIs,
		"postLogoutURI":           postLogoutURI,
		"insertDelivery":          insertDelivery,
		"claimDeliveries":         claimDeliveries(d),
		"objectByID":              objectByID,
		"listObjects":             listObjects,
		"listEnvironments":        listEnvironments,
		"listObjectsOf":           listObjectsOf,
		"childrenOf":              childrenOf,
		"objectsVersion":          objectsVersion,
		"touchObject":             touchObject,
		"countChange":             countChange,
		"countChangeOf":           countChangeOf,
		"expectObject":            expectObject,
		"insertObject":            insertObject,
		"replaceObject":           replaceObject,
		"deleteObject":            deleteObject,
		"insertObjectKey":         insertObjectKey,
		"deleteObjectKeys":        deleteObjectKeys,
		"insertEvent":             insertEvent,
		"eventByID":               eventByID,
		"listEvents":              listEvents,
		"listEventsOfObject":      listEventsOfObject,
		"deleteTerm":              deleteTerm,
		"termsInRange":            termsInRange,
		"termsOfValue":            termsOfValue,
		"countTerms":              countTerms,
		"usersWithoutTerms":       usersWithoutTerms,
		"termsMade":               termsMade,
		"purgeKeyRing":            purgeKeyRing,
		"nextUsers":               nextUsers,
		"usersAmong":              usersAmong,
		"nextKind":                nextKind,
		"objectsByKey":            objectsByKey(d),
		"scanUsersByValue":        newScanTexts(d).ofValue,
		"scanUsersInRange":        newScanTexts(d).inRange,
		"deleteKeysBelow":         newApplyTexts(d).keysBelow,
		"deleteObjectsBelow":      newApplyTexts(d).objectsBelow,
		"retryDelivery":           retryDelivery,
		"finishDelivery":          finishDelivery,
	}
	for _, s := range newSweepTexts(d) {
		all["sweep "+s.table] = s.text
	}
	for _, t := range insertTerms {
		all[fmt.Sprint("insertTerms", t.rows)] = t.text
	}
	for _, t := range newPurgeTexts() {
		all["next "+t.table], all["purge "+t.table] = t.next, t.remove
	}
	for _, t := range credentialsOf {
		all[fmt.Sprint("credentialsOf", t.subjects)] = t.text
	}
	for i, key := range familyKeys {
		t := newFamilyTexts(d)[i]
		all["listFamiliesBy"+key.name], all["endFamiliesBy"+key.name] = t.list, t.end
	}
	if d.NotifyRevocation != "" {
		all["notifyRevocation"] = d.NotifyRevocation
	}
	return all
}
