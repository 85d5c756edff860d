-- What was asked for under a key of the client's, so that asking twice makes one job.
CREATE TABLE wishes (
    key TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    job TEXT COLLATE "C" NOT NULL,
    digest TEXT NOT NULL,
    time TEXT COLLATE "C" NOT NULL
);
CREATE INDEX wishes_time ON wishes (time);
