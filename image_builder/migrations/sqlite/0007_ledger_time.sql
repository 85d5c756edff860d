-- When an entry came, in milliseconds since 1970: what is old is forgotten. Those that are there count as new.
ALTER TABLE ledger ADD COLUMN time INTEGER NOT NULL DEFAULT 0;
UPDATE ledger SET time = unixepoch() * 1000;
CREATE INDEX ledger_time ON ledger (time);
