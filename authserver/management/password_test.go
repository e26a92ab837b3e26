package management_test

const (
	setType   = "application/vnd.pingidentity.password.set+json"
	resetType = "application/vnd.pingidentity.password.reset+json"
	checkType = "application/vnd.pingidentity.password.check+json"
)
