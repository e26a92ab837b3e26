# Everything a developer does here. `make help` lists the targets.

SHELL      := /bin/bash
GO         ?= go
FUZZTIME   ?= 20s
TESTFLAGS  ?=
MEMORY     := 2097152
# The race detector, but not in SQLite's own code nor in password hashing: they take three times as long
# with it, and share nothing with our code but what is handed to them.
RACE       := -race -gcflags=modernc.org/...=-race=false -gcflags=golang.org/x/crypto/...=-race=false
DEMO_CADDY := bin/demo/caddy
DEMO_WEB   := bin/demo/web
DEMO_TOKEN := http://localhost:8080/5f0c9f3a-6c1e-4c55-9a3b-2d7f8e1b4a60/as/token
# A checkout without version control (a tarball, a CI copy) builds too.
export GOFLAGS ?= -buildvcs=false

.DEFAULT_GOAL := help
.PHONY: help run test vet lint prepare bench caddy fuzz clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## serve Caddyfile.example: authorization server, gate, a demo API and a demo web application on localhost (Ctrl-C ends it)
	@echo "Building the custom Caddy (the first time takes a few minutes) ..."
	@$(GO) build -o $(DEMO_CADDY) ./cmd/caddy && $(GO) build -o $(DEMO_WEB) ./cmd/demo
	@mkdir -p data
	@$(DEMO_CADDY) run --config Caddyfile.example --adapter caddyfile >data/caddy.log 2>&1 & pid=$$!; \
	$(DEMO_WEB) >data/demo.log 2>&1 & web=$$!; \
	trap 'kill $$pid $$web 2>/dev/null; wait $$pid $$web 2>/dev/null' EXIT; trap 'exit 0' INT TERM; \
	for i in $$(seq 150); do \
		kill -0 $$pid 2>/dev/null || { echo "Caddy ended at once; the last lines of data/caddy.log:"; tail -n 5 data/caddy.log; exit 1; }; \
		curl -fso /dev/null http://localhost:8080/5f0c9f3a-6c1e-4c55-9a3b-2d7f8e1b4a60/as/jwks && break; sleep 0.2; \
	done; \
	echo; \
	echo "Gatehouse is up (log: data/caddy.log)."; \
	echo "  sign in here           http://localhost:8083/         as alice with alice-demo-pass; messages are in data/outbox"; \
	echo "  authorization server   http://localhost:8080/5f0c9f3a-6c1e-4c55-9a3b-2d7f8e1b4a60/as/.well-known/openid-configuration"; \
	echo "  API, verified locally  http://localhost:8081/         needs orders:read; /admin needs orders:write"; \
	echo "  API, introspected      http://localhost:8082/"; \
	echo "  old clients (PingAM)   http://localhost:8080/am       realm alpha; amadmin with amadmin-demo-pass"; \
	echo "  metrics                http://localhost:2019/metrics"; \
	echo; \
	echo "Paste these: the first gets a token, the second calls the API with it."; \
	echo; \
	echo "  TOKEN=\$$(curl -s -u demo-worker:demo-worker-secret -d grant_type=client_credentials $(DEMO_TOKEN) | sed 's/.*\"access_token\":\"\([^\"]*\).*/\1/')"; \
	echo "  curl -i -H \"Authorization: Bearer \$$TOKEN\" http://localhost:8081/"; \
	echo; \
	wait $$pid

# Databases sync to the disk at each commit. Where a file system in memory has room (in KiB) for the tests' files, they are
# there: what tests kill is a process, and memory outlives that as a disk does. Programs are built where they always
# are, as such a file system may not let them run: that the go command alone is told, in a file, since tests make their
# directories where GOTMPDIR says. The journeys from outside wait more than they work: they begin first, and everything
# else runs beside them.
test: prepare vet ## run every test: unit, SQLite and PostgreSQL, the real binary from outside; race detector on
	@room=$$(df -Pk -t tmpfs /dev/shm 2>/dev/null | awk 'NR == 2 { print $$4 }'); \
	dir=/dev/shm/gatehouse-test-$$(id -u); \
	if [ "$${room:-0}" -ge $(MEMORY) ] && { mkdir $$dir 2>/dev/null || dir=$$(mktemp -d $$dir-XXXXXX); }; then \
		trap 'rm -rf "$$dir"' EXIT; trap 'exit 130' INT TERM; \
		chmod 711 "$$dir"; \
		{ cat "$$($(GO) env GOENV)" 2>/dev/null; echo; echo "GOTMPDIR=$${GOTMPDIR:-$${TMPDIR:-/tmp}}"; } >"$$dir/go.env"; \
		unset GOTMPDIR; export GOENV="$$dir/go.env" TMPDIR="$$dir"; echo "Temporary files are in $$dir."; \
	fi; \
	echo "Running the journeys from outside and, beside them, all other tests; results follow those of the journeys ..."; \
	GATEHOUSE_RACE="$(RACE)" $(GO) test $(RACE) -timeout 30m $(TESTFLAGS) ./integration/... ./...

vet: ## check formatting and run go vet
	@unformatted=$$(gofmt -l authserver caddymodule cmd integration); \
	if [ -n "$$unformatted" ]; then echo "run gofmt -w on:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...

lint: ## run golangci-lint, where it is installed
	golangci-lint run

# What the tests need beside Go: PostgreSQL, a browser, nginx to stand before the gate, and
# Node.js for client libraries that exist there only. Without root it only says what is missing:
# tests that need it are skipped on a laptop and fail where CI is set.
prepare:
	@missing=; \
	ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null || missing="$$missing postgresql"; \
	command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || missing="$$missing chromium"; \
	command -v node >/dev/null || missing="$$missing nodejs"; \
	command -v npm >/dev/null || missing="$$missing npm"; \
	command -v nginx >/dev/null || [ -x /usr/sbin/nginx ] || missing="$$missing nginx"; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "Installing what the tests need:$$missing ..."; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
	else \
		echo "Not installed, so that the tests that need it will be skipped:$$missing. On Debian: apt-get install$$missing"; \
	fi

bench: ## measure against bare Caddy, caddy-jwt and raw signing (about 20 minutes); writes bin/bench.json
	$(GO) run ./integration/bench

caddy: ## build bin/caddy with xcaddy from xcaddy.json
	$(GO) run ./cmd/build

fuzz: ## run each fuzz target for FUZZTIME (20s)
	@set -e; for pkg in $$(grep -rlE '^func Fuzz' --include='*_test.go' . | xargs -n1 dirname | sort -u); do \
		for target in $$(grep -hoE '^func Fuzz[A-Za-z0-9_]*' $$pkg/*_test.go | cut -d' ' -f2); do \
			echo "$$pkg $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 100x $$pkg; \
		done; \
	done

clean: ## remove what was built and the demo's data
	rm -rf bin data
