-- The queue for one machine. The ledger: entries as they are sent over the network.
CREATE TABLE ledger (
    place INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    entry BLOB NOT NULL
);

-- Hints that nobody has settled, each after an entry.
CREATE TABLE hints (
    number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    arch TEXT NOT NULL,
    release TEXT NOT NULL,
    place INTEGER NOT NULL REFERENCES ledger (place) ON DELETE CASCADE
);
CREATE INDEX hints_line ON hints (arch, release, number);

-- Messages that nobody keeps: removed when all who listen have had the time to read them.
CREATE TABLE bus (
    number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    -- In milliseconds since 1970.
    time INTEGER NOT NULL,
    -- To all who listen to the one, or to the one with the other.
    topic TEXT,
    inbox TEXT,
    reply_to TEXT,
    correlation TEXT,
    body BLOB NOT NULL
);
CREATE INDEX bus_time ON bus (time);
