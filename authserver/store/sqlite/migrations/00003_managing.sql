-- +goose Up

-- What the management API keeps, and what it needs of the rest. Times are
-- microseconds since 1970.

CREATE TABLE objects (
	environment TEXT NOT NULL,
	kind TEXT NOT NULL,
	id TEXT NOT NULL,
	parent TEXT NOT NULL, -- id of the object or user it belongs to; empty for none
	data BLOB NOT NULL,
	sealed BLOB NOT NULL,
	unique_keys TEXT NOT NULL, -- JSON arrays; empty for none
	lookup_keys TEXT NOT NULL,
	created_at INTEGER NOT NULL,
	updated_at INTEGER NOT NULL,
	used_at INTEGER NOT NULL DEFAULT 0,
	version INTEGER NOT NULL,
	PRIMARY KEY (kind, environment, id)
) STRICT;
CREATE INDEX objects_parent ON objects (parent, environment, kind, id) WHERE parent <> '';

-- The keys of objects, as SHA-256: they may be longer than an index entry.
CREATE TABLE object_keys (
	environment TEXT NOT NULL,
	kind TEXT NOT NULL,
	hash BLOB NOT NULL,
	id TEXT NOT NULL,
	sole INTEGER NOT NULL, -- 1: no other object has it as a sole one
	PRIMARY KEY (hash, kind, environment, id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX object_keys_sole ON object_keys (hash, kind, environment) WHERE sole = 1;
CREATE INDEX object_keys_object ON object_keys (id, kind, environment);

-- A row outlives its environment: a count must not begin again. The empty
-- environment counts the changes of environments themselves.
CREATE TABLE object_versions (
	environment TEXT NOT NULL PRIMARY KEY,
	version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE events (
	environment TEXT NOT NULL,
	id TEXT NOT NULL,
	at INTEGER NOT NULL,
	action TEXT NOT NULL,
	client_id TEXT NOT NULL,
	client_name TEXT NOT NULL,
	actor TEXT NOT NULL, -- id of the user
	actor_name TEXT NOT NULL,
	actor_environment TEXT NOT NULL,
	kind TEXT NOT NULL,
	object TEXT NOT NULL,
	name TEXT NOT NULL,
	parent TEXT NOT NULL,
	before BLOB NOT NULL,
	after BLOB NOT NULL,
	correlation TEXT NOT NULL,
	expires_at INTEGER NOT NULL,
	PRIMARY KEY (id, environment)
) STRICT;
CREATE INDEX events_environment ON events (environment, id);
CREATE INDEX events_object ON events (object, environment, id);
CREATE INDEX events_expires ON events (expires_at);

ALTER TABLE users ADD COLUMN population TEXT NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN mfa_enabled INTEGER NOT NULL DEFAULT 0; -- 0 or 1
ALTER TABLE users ADD COLUMN verify_status TEXT NOT NULL DEFAULT '';
-- The version whose terms are in user_terms; 0 for none yet.
ALTER TABLE users ADD COLUMN terms_of INTEGER NOT NULL DEFAULT 0;
-- Empty but after an upgrade.
CREATE INDEX users_without_terms ON users (environment, id) WHERE terms_of <> version;

-- By what users are found. scope stands for an environment and an attribute:
-- both in full would be most of the table.
CREATE TABLE user_terms (
	scope INTEGER NOT NULL,
	value TEXT NOT NULL,
	id TEXT NOT NULL,
	PRIMARY KEY (scope, value, id)
) STRICT, WITHOUT ROWID;

ALTER TABLE credentials ADD COLUMN locked INTEGER NOT NULL DEFAULT 0; -- 0 or 1
ALTER TABLE credentials ADD COLUMN locked_at INTEGER NOT NULL DEFAULT 0;

-- What waits of one kind must not be in the way of another.
DROP INDEX deliveries_next;
CREATE INDEX deliveries_due ON deliveries (kind, next_at);

-- Clients that registered themselves are listed.
CREATE INDEX registered_clients_environment ON registered_clients (environment, id);
