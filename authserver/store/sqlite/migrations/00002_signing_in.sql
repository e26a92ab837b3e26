-- +goose Up

-- In the tables from here on times are microseconds since 1970: a grace period
-- may be a second. No index begins with the environment, which tells few rows
-- apart: a planner without statistics might be content with it. Records with data of their own size have a rowid, which keeps
-- their indexes small.

ALTER TABLE access_tokens ADD COLUMN grant_id TEXT NOT NULL DEFAULT '';

CREATE TABLE tickets (
	environment TEXT NOT NULL,
	kind TEXT NOT NULL,
	hash BLOB NOT NULL,
	client_id TEXT NOT NULL,
	grant_id TEXT NOT NULL,
	data BLOB NOT NULL,
	expires_at INTEGER NOT NULL,
	kept_until INTEGER NOT NULL,
	spent INTEGER NOT NULL, -- 0 or 1
	PRIMARY KEY (hash, kind, environment)
) STRICT;
CREATE INDEX tickets_kept ON tickets (kept_until);

CREATE TABLE flows (
	environment TEXT NOT NULL,
	id TEXT NOT NULL,
	version INTEGER NOT NULL,
	data BLOB NOT NULL,
	expires_at INTEGER NOT NULL,
	PRIMARY KEY (id, environment)
) STRICT;
CREATE INDEX flows_expires ON flows (expires_at);

CREATE TABLE sessions (
	environment TEXT NOT NULL,
	id TEXT NOT NULL,
	subject TEXT NOT NULL,
	token BLOB NOT NULL,
	data BLOB NOT NULL,
	created_at INTEGER NOT NULL,
	active_at INTEGER NOT NULL,
	expires_at INTEGER NOT NULL,
	version INTEGER NOT NULL,
	PRIMARY KEY (id, environment),
	UNIQUE (token, environment)
) STRICT;
CREATE INDEX sessions_subject ON sessions (subject, environment, created_at, id);
CREATE INDEX sessions_expires ON sessions (expires_at);

-- kept_until is when the last member has expired, or later, but not behind
-- expires_at. An end that does not come is the largest number.
CREATE TABLE families (
	environment TEXT NOT NULL,
	id TEXT NOT NULL,
	client_id TEXT NOT NULL,
	subject TEXT NOT NULL,
	session TEXT NOT NULL,
	data BLOB NOT NULL,
	created_at INTEGER NOT NULL,
	expires_at INTEGER NOT NULL,
	kept_until INTEGER NOT NULL,
	ended INTEGER NOT NULL, -- 0 or 1
	PRIMARY KEY (id, environment)
) STRICT;
CREATE INDEX families_client ON families (client_id, environment, created_at, id) WHERE ended = 0;
CREATE INDEX families_subject ON families (subject, environment, created_at, id) WHERE ended = 0;
CREATE INDEX families_session ON families (session, environment, created_at, id) WHERE ended = 0 AND session <> '';
CREATE INDEX families_kept ON families (kept_until);

CREATE TABLE refresh_tokens (
	environment TEXT NOT NULL,
	hash BLOB NOT NULL,
	family TEXT NOT NULL,
	expires_at INTEGER NOT NULL,
	sealed BLOB NOT NULL,
	successor BLOB, -- hash of the token it was exchanged for
	rotated_at INTEGER NOT NULL DEFAULT 0,
	PRIMARY KEY (hash, environment)
) STRICT;
CREATE INDEX refresh_tokens_expires ON refresh_tokens (expires_at);

CREATE TABLE consents (
	environment TEXT NOT NULL,
	subject TEXT NOT NULL,
	client_id TEXT NOT NULL,
	scopes TEXT NOT NULL, -- JSON array; empty for none
	updated_at INTEGER NOT NULL,
	PRIMARY KEY (subject, environment, client_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE users (
	environment TEXT NOT NULL,
	id TEXT NOT NULL,
	username TEXT NOT NULL,
	disabled INTEGER NOT NULL, -- 0 or 1
	verified INTEGER NOT NULL, -- 0 or 1
	claims TEXT NOT NULL, -- JSON object, or null
	created_at INTEGER NOT NULL,
	updated_at INTEGER NOT NULL,
	version INTEGER NOT NULL,
	PRIMARY KEY (id, environment),
	UNIQUE (username, environment)
) STRICT;

CREATE TABLE credentials (
	environment TEXT NOT NULL,
	subject TEXT NOT NULL,
	version INTEGER NOT NULL,
	password TEXT NOT NULL, -- argon2id PHC string; empty for none
	overrides BLOB NOT NULL,
	must_change INTEGER NOT NULL, -- 0 or 1
	changed_at INTEGER NOT NULL,
	failures INTEGER NOT NULL,
	last_failure INTEGER NOT NULL,
	locked_until INTEGER NOT NULL,
	code_purpose TEXT NOT NULL,
	code BLOB NOT NULL,
	code_expires INTEGER NOT NULL,
	code_tries INTEGER NOT NULL,
	PRIMARY KEY (subject, environment)
) STRICT, WITHOUT ROWID;

CREATE TABLE registered_clients (
	environment TEXT NOT NULL,
	id TEXT NOT NULL,
	client TEXT NOT NULL, -- JSON of store.Client, without secrets
	enabled INTEGER NOT NULL, -- 0 or 1
	sealed BLOB NOT NULL,
	metadata BLOB NOT NULL,
	access_token BLOB NOT NULL,
	created_at INTEGER NOT NULL,
	edit BLOB NOT NULL,
	version INTEGER NOT NULL,
	PRIMARY KEY (id, environment)
) STRICT;

-- The addresses in client, as SHA-256.
CREATE TABLE post_logout_uris (
	environment TEXT NOT NULL,
	uri BLOB NOT NULL,
	client_id TEXT NOT NULL,
	PRIMARY KEY (uri, environment, client_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX post_logout_uris_client ON post_logout_uris (client_id, environment);

CREATE TABLE deliveries (
	environment TEXT NOT NULL,
	id TEXT NOT NULL,
	kind TEXT NOT NULL,
	target TEXT NOT NULL,
	client_id TEXT NOT NULL,
	data BLOB NOT NULL,
	attempts INTEGER NOT NULL,
	next_at INTEGER NOT NULL,
	expires_at INTEGER NOT NULL,
	PRIMARY KEY (id, environment)
) STRICT;
CREATE INDEX deliveries_next ON deliveries (next_at);
CREATE INDEX deliveries_expires ON deliveries (expires_at);
