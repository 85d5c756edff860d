-- The images of a job that were delivered into a folder of the service, and what became of them. One of no bytes
-- has none. Times are text, as in jobs.
CREATE TABLE images (
    job TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE,
    -- Which folder: it has the same id in a file, however it is called there.
    folder TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    delivered TEXT COLLATE "C" NOT NULL,
    pinned_by TEXT,
    pinned TEXT,
    warned TEXT,
    removed TEXT,
    -- age, space, or gone.
    reason TEXT,
    -- The files are gone, and people were told.
    settled TEXT,
    -- Until then somebody tells of it or removes it.
    busy TEXT COLLATE "C"
);
CREATE INDEX images_there ON images (folder, delivered) WHERE removed IS NULL AND bytes > 0;
CREATE INDEX images_unsettled ON images (folder) WHERE removed IS NOT NULL AND settled IS NULL;
