package main

import "slices"

// managingRows are the results of the measure managing for each store.
var managingRows = slices.Concat(
	pageRows("users.username", "users.email", "users.population", "users.family", "users.either", "users.deep",
		"applications.first", "applications.deep"),
	[]row{
		// A filter of which the part that no index knows holds for few: so many requests lead to its end.
		{"users.rare.requests", "requests", "", 0},
		{"users.rare.found", "users", "", 0},
		{"users.rare.time", "s", "", 0},
		{"users.rare.p50", "ms", "", 0},
		{"users.rare.p99", "ms", atMost, 50},
		{"memory", "MiB added", atMost, 32},

		{"applications.import.rate", "applications/s", "", 0},
		{"import.rate", "users/s", "", 0},
		// The most meanwhile: 16 MiB are the pages that SQLite keeps for whoever writes.
		{"import.memory", "MiB added", atMost, 64},

		{"token.es256.rate", "requests/s", atLeast, 0.90},
		{"token.es256.cpu", "us/request", "", 0},
		{"gate.rate", "requests/s", atLeast, 0.97},
		{"gate.cpu", "us/request", "", 0},
	},
)

// pageRows are the results of collections that are asked for again and again.
func pageRows(names ...string) (rows []row) {
	for _, name := range names {
		rows = append(rows, row{name + ".p50", "ms", "", 0}, row{name + ".p99", "ms", atMost, 50}, row{name + ".rate", "pages/s", "", 0})
	}
	return rows
}
