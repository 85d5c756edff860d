-- Who has logged in, as the provider described them last: as JSON.
CREATE TABLE accounts (
    name TEXT NOT NULL PRIMARY KEY,
    account TEXT NOT NULL
) WITHOUT ROWID;

-- Of secrets only their SHA-256 is here.
CREATE TABLE sessions (
    secret TEXT NOT NULL PRIMARY KEY,
    account TEXT NOT NULL REFERENCES accounts (name) ON DELETE CASCADE,
    expires TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX sessions_account ON sessions (account);
CREATE INDEX sessions_expires ON sessions (expires);

-- Logins that have begun, with what is needed to end them.
CREATE TABLE logins (
    secret TEXT NOT NULL PRIMARY KEY,
    login TEXT NOT NULL,
    expires TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX logins_expires ON logins (expires);

CREATE TABLE tokens (
    id TEXT NOT NULL PRIMARY KEY,
    secret TEXT NOT NULL UNIQUE,
    account TEXT NOT NULL REFERENCES accounts (name) ON DELETE CASCADE,
    token TEXT NOT NULL,
    expires TEXT NOT NULL,
    used TEXT
) WITHOUT ROWID;
CREATE INDEX tokens_account ON tokens (account, id);

-- Who did what, as JSON.
CREATE TABLE audit (
    number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    account TEXT NOT NULL,
    entry TEXT NOT NULL
);
CREATE INDEX audit_account ON audit (account, number);

-- Only its requester and administrators see a private job.
ALTER TABLE jobs ADD COLUMN private INTEGER NOT NULL DEFAULT 0;
