-- What a job is found by, in small letters: its id, its title, who asked, and what its spec says.
CREATE TABLE words (
    job TEXT NOT NULL PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE,
    words TEXT NOT NULL
) WITHOUT ROWID;
INSERT INTO words (job, words)
    SELECT jobs.id, lower(jobs.id || ' ' || json_extract(jobs.job, '$.request.title') || ' ' || jobs.requester || ' ' || COALESCE(json_extract(payloads.payload, '$.spec'), ''))
    FROM jobs LEFT JOIN payloads ON payloads.job = jobs.id;
