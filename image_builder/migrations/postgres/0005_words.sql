-- What a job is found by, in small letters: its id, its title, who asked, and what its spec says.
CREATE TABLE words (
    job TEXT NOT NULL PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE,
    words TEXT NOT NULL
);
-- Of jobs that are there it is the text as it is kept: read as JSON it could hold a NUL, which PostgreSQL refuses.
INSERT INTO words (job, words)
    SELECT jobs.id, lower(jobs.id || ' ' || jobs.requester || ' ' || jobs.arch || ' ' || jobs.release || ' '
        || left(COALESCE(payloads.payload, ''), 8192))
    FROM jobs LEFT JOIN payloads ON payloads.job = jobs.id;
