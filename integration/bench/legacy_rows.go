package main

// legacyRows are the results of the measure legacy for each store.
var legacyRows = []row{
	// All tokens of one person: ten access tokens and a refresh token.
	{"list.p50", "ms", "", 0},
	{"list.p99", "ms", atMost, 20},
	{"list.rate", "lists/s", "", 0},
	// The first hundred of a person who has a thousand.
	{"page.p50", "ms", "", 0},
	{"page.p99", "ms", atMost, 50},
	{"page.rate", "pages/s", "", 0},
	// One token by its value.
	{"read.p50", "ms", "", 0},
	{"read.p99", "ms", atMost, 20},
	{"read.rate", "reads/s", "", 0},

	{"tokeninfo.rate", "requests/s", "", 0},
	{"tokeninfo.cpu", "us/request", "", 0},
}
