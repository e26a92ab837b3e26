-- +goose Up

-- How an access token came to be, and what an opaque one says: JSON, empty for none.
ALTER TABLE access_tokens ADD COLUMN data BLOB NOT NULL DEFAULT x'';

-- Families are listed by ID.
DROP INDEX families_client;
DROP INDEX families_subject;
DROP INDEX families_session;
CREATE INDEX families_client ON families (client_id, environment, id) WHERE ended = 0;
CREATE INDEX families_subject ON families (subject, environment, id) WHERE ended = 0;
CREATE INDEX families_session ON families (session, environment, id) WHERE ended = 0 AND session <> '';

-- The newest token of each family, which has not been exchanged.
CREATE INDEX refresh_tokens_newest ON refresh_tokens (family, environment, expires_at) WHERE successor IS NULL;
