-- The ledger of the queue for one machine: entries as they are sent over the network.
CREATE TABLE ledger (
    place INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    entry BLOB NOT NULL,
    -- The line whose workers it wakes.
    arch TEXT,
    release TEXT
);

-- Messages that nobody keeps: removed when all who listened have had the time to read them.
CREATE TABLE bus (
    number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    -- In milliseconds since 1970.
    time INTEGER NOT NULL,
    -- To all who listen to it, or to the one with it.
    topic TEXT,
    inbox TEXT,
    reply_to TEXT,
    correlation TEXT,
    body BLOB NOT NULL
);
CREATE INDEX bus_time ON bus (time);
