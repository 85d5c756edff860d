-- How far a ledger was read, and a digest of the entry there: one that was set up anew has another.
ALTER TABLE ledgers ADD COLUMN read BIGINT NOT NULL DEFAULT -1;
ALTER TABLE ledgers ADD COLUMN digest BIGINT NOT NULL DEFAULT -1;
