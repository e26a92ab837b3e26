-- +goose Up

-- In the tables from here on times are microseconds since 1970: a grace period
-- may be a second. No index begins with the environment, which tells few rows
-- apart: a planner without statistics might be content with it.

ALTER TABLE access_tokens ADD COLUMN grant_id TEXT COLLATE "C" NOT NULL DEFAULT '';

CREATE TABLE tickets (
	environment TEXT COLLATE "C" NOT NULL,
	kind TEXT COLLATE "C" NOT NULL,
	hash BYTEA NOT NULL,
	client_id TEXT COLLATE "C" NOT NULL,
	grant_id TEXT COLLATE "C" NOT NULL,
	data BYTEA NOT NULL,
	expires_at BIGINT NOT NULL,
	kept_until BIGINT NOT NULL,
	spent BIGINT NOT NULL, -- 0 or 1
	PRIMARY KEY (hash, kind, environment)
);
CREATE INDEX tickets_kept ON tickets (kept_until);

CREATE TABLE flows (
	environment TEXT COLLATE "C" NOT NULL,
	id TEXT COLLATE "C" NOT NULL,
	version BIGINT NOT NULL,
	data BYTEA NOT NULL,
	expires_at BIGINT NOT NULL,
	PRIMARY KEY (id, environment)
);
CREATE INDEX flows_expires ON flows (expires_at);

CREATE TABLE sessions (
	environment TEXT COLLATE "C" NOT NULL,
	id TEXT COLLATE "C" NOT NULL,
	subject TEXT COLLATE "C" NOT NULL,
	token BYTEA NOT NULL,
	data BYTEA NOT NULL,
	created_at BIGINT NOT NULL,
	active_at BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,
	version BIGINT NOT NULL,
	PRIMARY KEY (id, environment),
	UNIQUE (token, environment)
);
CREATE INDEX sessions_subject ON sessions (subject, environment, created_at, id);
CREATE INDEX sessions_expires ON sessions (expires_at);

-- kept_until is when the last member has expired, or later, but not behind
-- expires_at. An end that does not come is the largest number.
CREATE TABLE families (
	environment TEXT COLLATE "C" NOT NULL,
	id TEXT COLLATE "C" NOT NULL,
	client_id TEXT COLLATE "C" NOT NULL,
	subject TEXT COLLATE "C" NOT NULL,
	session TEXT COLLATE "C" NOT NULL,
	data BYTEA NOT NULL,
	created_at BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,
	kept_until BIGINT NOT NULL,
	ended BIGINT NOT NULL, -- 0 or 1
	PRIMARY KEY (id, environment)
);
CREATE INDEX families_client ON families (client_id, environment, created_at, id) WHERE ended = 0;
CREATE INDEX families_subject ON families (subject, environment, created_at, id) WHERE ended = 0;
CREATE INDEX families_session ON families (session, environment, created_at, id) WHERE ended = 0 AND session <> '';
CREATE INDEX families_kept ON families (kept_until);

CREATE TABLE refresh_tokens (
	environment TEXT COLLATE "C" NOT NULL,
	hash BYTEA NOT NULL,
	family TEXT COLLATE "C" NOT NULL,
	expires_at BIGINT NOT NULL,
	sealed BYTEA NOT NULL,
	successor BYTEA, -- hash of the token it was exchanged for
	rotated_at BIGINT NOT NULL DEFAULT 0,
	PRIMARY KEY (hash, environment)
);
CREATE INDEX refresh_tokens_expires ON refresh_tokens (expires_at);

CREATE TABLE consents (
	environment TEXT COLLATE "C" NOT NULL,
	subject TEXT COLLATE "C" NOT NULL,
	client_id TEXT COLLATE "C" NOT NULL,
	scopes TEXT NOT NULL, -- JSON array; empty for none
	updated_at BIGINT NOT NULL,
	PRIMARY KEY (subject, environment, client_id)
);

CREATE TABLE users (
	environment TEXT COLLATE "C" NOT NULL,
	id TEXT COLLATE "C" NOT NULL,
	username TEXT COLLATE "C" NOT NULL,
	disabled BIGINT NOT NULL, -- 0 or 1
	verified BIGINT NOT NULL, -- 0 or 1
	claims TEXT NOT NULL, -- JSON object, or null
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	version BIGINT NOT NULL,
	PRIMARY KEY (id, environment),
	UNIQUE (username, environment)
);

CREATE TABLE credentials (
	environment TEXT COLLATE "C" NOT NULL,
	subject TEXT COLLATE "C" NOT NULL,
	version BIGINT NOT NULL,
	password TEXT NOT NULL, -- argon2id PHC string; empty for none
	overrides BYTEA NOT NULL,
	must_change BIGINT NOT NULL, -- 0 or 1
	changed_at BIGINT NOT NULL,
	failures BIGINT NOT NULL,
	last_failure BIGINT NOT NULL,
	locked_until BIGINT NOT NULL,
	code_purpose TEXT COLLATE "C" NOT NULL,
	code BYTEA NOT NULL,
	code_expires BIGINT NOT NULL,
	code_tries BIGINT NOT NULL,
	PRIMARY KEY (subject, environment)
);

CREATE TABLE registered_clients (
	environment TEXT COLLATE "C" NOT NULL,
	id TEXT COLLATE "C" NOT NULL,
	client TEXT NOT NULL, -- JSON of store.Client, without secrets
	enabled BIGINT NOT NULL, -- 0 or 1
	sealed BYTEA NOT NULL,
	metadata BYTEA NOT NULL,
	access_token BYTEA NOT NULL,
	created_at BIGINT NOT NULL,
	edit BYTEA NOT NULL,
	version BIGINT NOT NULL,
	PRIMARY KEY (id, environment)
);

-- The addresses in client, as SHA-256.
CREATE TABLE post_logout_uris (
	environment TEXT COLLATE "C" NOT NULL,
	uri BYTEA NOT NULL,
	client_id TEXT COLLATE "C" NOT NULL,
	PRIMARY KEY (uri, environment, client_id)
);
CREATE INDEX post_logout_uris_client ON post_logout_uris (client_id, environment);

CREATE TABLE deliveries (
	environment TEXT COLLATE "C" NOT NULL,
	id TEXT COLLATE "C" NOT NULL,
	kind TEXT COLLATE "C" NOT NULL,
	target TEXT NOT NULL,
	client_id TEXT COLLATE "C" NOT NULL,
	data BYTEA NOT NULL,
	attempts BIGINT NOT NULL,
	next_at BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,
	PRIMARY KEY (id, environment)
);
CREATE INDEX deliveries_next ON deliveries (next_at);
CREATE INDEX deliveries_expires ON deliveries (expires_at);
