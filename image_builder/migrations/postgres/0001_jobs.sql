-- How far each ledger was taken in.
CREATE TABLE ledgers (
    name TEXT NOT NULL PRIMARY KEY,
    place BIGINT NOT NULL
);

-- A job as JSON, without its history and what it is built from, and what is looked for in columns.
-- Ids and prefixes of them are compared byte by byte, in whatever language the database is.
-- Times are text in UTC with nine digits behind the second, so that they sort.
CREATE TABLE jobs (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    job TEXT NOT NULL,
    state TEXT NOT NULL,
    arch TEXT COLLATE "C" NOT NULL,
    release TEXT COLLATE "C" NOT NULL,
    priority BIGINT NOT NULL,
    requester TEXT NOT NULL,
    submitted TEXT NOT NULL,
    since TEXT NOT NULL,
    worker TEXT
);
CREATE INDEX jobs_state ON jobs (state, id);
CREATE INDEX jobs_line ON jobs (arch, release, id);
CREATE INDEX jobs_requester ON jobs (requester, id);
CREATE INDEX jobs_worker ON jobs (worker, id);
CREATE INDEX jobs_waiting ON jobs (arch, release, priority, id) WHERE state = 'queued';

CREATE TABLE payloads (
    job TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE,
    payload TEXT NOT NULL
);

-- All that a job was: the state as JSON.
CREATE TABLE transitions (
    job TEXT COLLATE "C" NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    number BIGINT NOT NULL,
    time TEXT NOT NULL,
    state TEXT NOT NULL,
    cause TEXT NOT NULL,
    PRIMARY KEY (job, number)
);

-- How many jobs wait whose ids begin with a prefix; level 0 counts all of a priority. So nobody has
-- to count 100,000 jobs to know how many go before one.
CREATE TABLE waiting (
    arch TEXT COLLATE "C" NOT NULL,
    release TEXT COLLATE "C" NOT NULL,
    level BIGINT NOT NULL,
    priority BIGINT NOT NULL,
    prefix TEXT COLLATE "C" NOT NULL,
    jobs BIGINT NOT NULL,
    PRIMARY KEY (arch, release, level, priority, prefix)
);
