-- +goose Up

-- Times are seconds since 1970. The identifiers of access tokens grow with
-- time and come first in the key, so that new rows go to the end of the table. That also keeps
-- the planner, which has no statistics, from listing a client's tokens by the key.
CREATE TABLE access_tokens (
	environment TEXT NOT NULL,
	id TEXT NOT NULL,
	client_id TEXT NOT NULL,
	subject TEXT NOT NULL,
	session TEXT NOT NULL,
	scope TEXT NOT NULL,
	audience TEXT NOT NULL, -- JSON array; empty for none
	issued_at INTEGER NOT NULL,
	expires_at INTEGER NOT NULL,
	PRIMARY KEY (id, environment)
) STRICT, WITHOUT ROWID;
CREATE INDEX access_tokens_client ON access_tokens (environment, client_id, id);
CREATE INDEX access_tokens_subject ON access_tokens (environment, subject, id) WHERE subject <> '';
CREATE INDEX access_tokens_expires ON access_tokens (expires_at);

CREATE TABLE revocations (
	environment TEXT NOT NULL,
	kind TEXT NOT NULL,
	value TEXT NOT NULL,
	at INTEGER NOT NULL,
	expires_at INTEGER NOT NULL,
	PRIMARY KEY (environment, kind, value)
) STRICT, WITHOUT ROWID;
CREATE INDEX revocations_expires ON revocations (expires_at);

CREATE TABLE spent (
	environment TEXT NOT NULL,
	hash BLOB NOT NULL,
	expires_at INTEGER NOT NULL,
	PRIMARY KEY (environment, hash)
) STRICT, WITHOUT ROWID;
CREATE INDEX spent_expires ON spent (expires_at);

CREATE TABLE key_rings (
	environment TEXT NOT NULL PRIMARY KEY,
	version INTEGER NOT NULL,
	keys TEXT NOT NULL -- JSON array; private halves are sealed
) STRICT, WITHOUT ROWID;
