-- +goose Up

-- What the management API keeps, and what it needs of the rest. Times are
-- microseconds since 1970.

CREATE TABLE objects (
	environment TEXT COLLATE "C" NOT NULL,
	kind TEXT COLLATE "C" NOT NULL,
	id TEXT COLLATE "C" NOT NULL,
	parent TEXT COLLATE "C" NOT NULL, -- id of the object or user it belongs to; empty for none
	data BYTEA NOT NULL,
	sealed BYTEA NOT NULL,
	unique_keys TEXT NOT NULL, -- JSON arrays; empty for none
	lookup_keys TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	used_at BIGINT NOT NULL DEFAULT 0,
	version BIGINT NOT NULL,
	PRIMARY KEY (kind, environment, id)
);
CREATE INDEX objects_parent ON objects (parent, environment, kind, id) WHERE parent <> '';

-- The keys of objects, as SHA-256: they may be longer than an index entry.
CREATE TABLE object_keys (
	environment TEXT COLLATE "C" NOT NULL,
	kind TEXT COLLATE "C" NOT NULL,
	hash BYTEA NOT NULL,
	id TEXT COLLATE "C" NOT NULL,
	sole BIGINT NOT NULL, -- 1: no other object has it as a sole one
	PRIMARY KEY (hash, kind, environment, id)
);
CREATE UNIQUE INDEX object_keys_sole ON object_keys (hash, kind, environment) WHERE sole = 1;
CREATE INDEX object_keys_object ON object_keys (id, kind, environment);

-- A row outlives its environment: a count must not begin again. The empty
-- environment counts the changes of environments themselves.
CREATE TABLE object_versions (
	environment TEXT COLLATE "C" NOT NULL PRIMARY KEY,
	version BIGINT NOT NULL
);

CREATE TABLE events (
	environment TEXT COLLATE "C" NOT NULL,
	id TEXT COLLATE "C" NOT NULL,
	at BIGINT NOT NULL,
	action TEXT COLLATE "C" NOT NULL,
	client_id TEXT COLLATE "C" NOT NULL,
	client_name TEXT COLLATE "C" NOT NULL,
	actor TEXT COLLATE "C" NOT NULL, -- id of the user
	actor_name TEXT COLLATE "C" NOT NULL,
	actor_environment TEXT COLLATE "C" NOT NULL,
	kind TEXT COLLATE "C" NOT NULL,
	object TEXT COLLATE "C" NOT NULL,
	name TEXT COLLATE "C" NOT NULL,
	parent TEXT COLLATE "C" NOT NULL,
	before BYTEA NOT NULL,
	after BYTEA NOT NULL,
	correlation TEXT COLLATE "C" NOT NULL,
	expires_at BIGINT NOT NULL,
	PRIMARY KEY (id, environment)
);
CREATE INDEX events_environment ON events (environment, id);
CREATE INDEX events_object ON events (object, environment, id);
CREATE INDEX events_expires ON events (expires_at);

ALTER TABLE users ADD COLUMN population TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN mfa_enabled BIGINT NOT NULL DEFAULT 0; -- 0 or 1
ALTER TABLE users ADD COLUMN verify_status TEXT COLLATE "C" NOT NULL DEFAULT '';
-- The version whose terms are in user_terms; 0 for none yet.
ALTER TABLE users ADD COLUMN terms_of BIGINT NOT NULL DEFAULT 0;
-- Empty but after an upgrade.
CREATE INDEX users_without_terms ON users (environment, id) WHERE terms_of <> version;

-- By what users are found. scope stands for an environment and an attribute:
-- both in full would be most of the table.
CREATE TABLE user_terms (
	scope BIGINT NOT NULL,
	value TEXT COLLATE "C" NOT NULL,
	id TEXT COLLATE "C" NOT NULL,
	PRIMARY KEY (scope, value, id)
);

ALTER TABLE credentials ADD COLUMN locked BIGINT NOT NULL DEFAULT 0; -- 0 or 1
ALTER TABLE credentials ADD COLUMN locked_at BIGINT NOT NULL DEFAULT 0;

-- What waits of one kind must not be in the way of another.
DROP INDEX deliveries_next;
CREATE INDEX deliveries_due ON deliveries (kind, next_at);

-- Clients that registered themselves are listed.
CREATE INDEX registered_clients_environment ON registered_clients (environment, id);
