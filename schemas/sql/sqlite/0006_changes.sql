-- Every commit writes each page that it touches, whole: one B-tree for the changes instead of two, and the revision is
-- that of the last change (of which some always stay, store/changes.rs) instead of a table of its own.

ALTER TABLE changes RENAME TO changes_before;
CREATE TABLE changes (
    revision BIGINT  NOT NULL,
    part     INTEGER NOT NULL,
    body     TEXT    NOT NULL,
    PRIMARY KEY (revision, part)
) WITHOUT ROWID;
INSERT INTO changes (revision, part, body) SELECT revision, part, body FROM changes_before;
DROP TABLE changes_before;
DROP TABLE revisions;
