-- What was asked for under a key of the client's, so that asking twice makes one job.
CREATE TABLE wishes (
    key TEXT NOT NULL PRIMARY KEY,
    job TEXT NOT NULL,
    digest TEXT NOT NULL,
    time TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX wishes_time ON wishes (time);
