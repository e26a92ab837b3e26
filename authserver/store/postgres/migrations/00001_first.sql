-- +goose Up

-- Times are seconds since 1970. Text compares byte by byte, as in SQLite, so
-- that lists are in one order everywhere.

-- Partitions by expiry, one a day, are made and dropped by the program. A token
-- that fits none goes to the default one, and from there row by row.
CREATE TABLE access_tokens (
	environment TEXT COLLATE "C" NOT NULL,
	id TEXT COLLATE "C" NOT NULL,
	client_id TEXT COLLATE "C" NOT NULL,
	subject TEXT COLLATE "C" NOT NULL,
	session TEXT COLLATE "C" NOT NULL,
	scope TEXT COLLATE "C" NOT NULL,
	audience TEXT COLLATE "C" NOT NULL, -- JSON array; empty for none
	issued_at BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,
	PRIMARY KEY (id, environment, expires_at)
) PARTITION BY RANGE (expires_at);
CREATE INDEX access_tokens_client ON access_tokens (environment, client_id, id);
CREATE INDEX access_tokens_subject ON access_tokens (environment, subject, id) WHERE subject <> '';
CREATE TABLE access_tokens_default PARTITION OF access_tokens DEFAULT;
CREATE INDEX access_tokens_default_expires ON access_tokens_default (expires_at);

CREATE TABLE revocations (
	environment TEXT COLLATE "C" NOT NULL,
	kind TEXT COLLATE "C" NOT NULL,
	value TEXT COLLATE "C" NOT NULL,
	at BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,
	PRIMARY KEY (environment, kind, value)
);
CREATE INDEX revocations_expires ON revocations (expires_at);

CREATE TABLE spent (
	environment TEXT COLLATE "C" NOT NULL,
	hash BYTEA NOT NULL,
	expires_at BIGINT NOT NULL,
	PRIMARY KEY (environment, hash)
);
CREATE INDEX spent_expires ON spent (expires_at);

CREATE TABLE key_rings (
	environment TEXT COLLATE "C" NOT NULL PRIMARY KEY,
	version BIGINT NOT NULL,
	keys TEXT NOT NULL -- JSON array; private halves are sealed
);
