-- Order: what one sender sends to one mailbox arrives as it was accepted.  A row that is put
-- off keeps its place by the time at which it was due first, and whoever claims a later one of
-- the same sender finds it through the index.  The time is a column of its own, since an
-- expression in an index is prepared anew for each message that is accepted.

ALTER TABLE queue
    ADD COLUMN since int8,                     -- us, when it was due first
    ADD COLUMN puts int4 NOT NULL DEFAULT 0;   -- times that it was put off
UPDATE queue SET since = due;
ALTER TABLE queue ALTER COLUMN since SET NOT NULL;
CREATE INDEX queue_sender ON queue (sender, since);
