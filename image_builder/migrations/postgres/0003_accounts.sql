-- Who has logged in, as the provider described them last: as JSON.
CREATE TABLE accounts (
    name TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    account TEXT NOT NULL
);

-- Of secrets only their SHA-256 is here.
CREATE TABLE sessions (
    secret TEXT NOT NULL PRIMARY KEY,
    account TEXT COLLATE "C" NOT NULL REFERENCES accounts (name) ON DELETE CASCADE,
    expires TEXT NOT NULL
);
CREATE INDEX sessions_account ON sessions (account);
CREATE INDEX sessions_expires ON sessions (expires);

-- Logins that have begun, with what is needed to end them.
CREATE TABLE logins (
    secret TEXT NOT NULL PRIMARY KEY,
    login TEXT NOT NULL,
    expires TEXT NOT NULL
);
CREATE INDEX logins_expires ON logins (expires);

CREATE TABLE tokens (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    secret TEXT NOT NULL UNIQUE,
    account TEXT COLLATE "C" NOT NULL REFERENCES accounts (name) ON DELETE CASCADE,
    token TEXT NOT NULL,
    expires TEXT NOT NULL,
    used TEXT
);
CREATE INDEX tokens_account ON tokens (account, id);

-- Who did what, as JSON.
CREATE TABLE audit (
    number BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account TEXT COLLATE "C" NOT NULL,
    entry TEXT NOT NULL
);
CREATE INDEX audit_account ON audit (account, number);

-- Only its requester and administrators see a private job.
ALTER TABLE jobs ADD COLUMN private BIGINT NOT NULL DEFAULT 0;
