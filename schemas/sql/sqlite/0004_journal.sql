-- What happened: calls that changed something, plans that were carried out, rows that somebody else changed, sessions
-- that came and went. Written in batches, bounded by age and size.

CREATE TABLE journal (
    id       BIGINT       NOT NULL PRIMARY KEY,         -- counts up; given by the only writer
    at_ms    BIGINT       NOT NULL,                     -- milliseconds since 1970
    kind     VARCHAR(16)  NOT NULL,                     -- call, plan, drift, session, loss
    who      VARCHAR(255) NOT NULL,                     -- '' where nobody called
    subject  TEXT         NOT NULL,                     -- the call's method, or the switches
    revision BIGINT,                                    -- of the desired state
    result   TEXT         NOT NULL,
    details  TEXT         NOT NULL                      -- JSON
);
CREATE INDEX journal_at ON journal (at_ms);

-- Switches whose deletions an operator holds; by the section's name in plumgrid.ini.
CREATE TABLE switch_holds (
    name   VARCHAR(255) NOT NULL PRIMARY KEY,
    at_ms  BIGINT       NOT NULL,
    who    VARCHAR(255) NOT NULL
);
