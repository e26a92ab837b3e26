package legacy

import (
	"net/http"
)

var _ = http.MethodGet
