-- Order: what one sender sends to one mailbox arrives as it was accepted.  A row that is put
-- off keeps its place by the time at which it was due first, and whoever claims a later one of
-- the same sender finds it through the index.

ALTER TABLE queue
    ADD COLUMN since int8 NOT NULL DEFAULT 0, -- us, when it was due first; 0: due says it
    ADD COLUMN puts int4 NOT NULL DEFAULT 0;  -- times that it was put off
CREATE INDEX queue_sender ON queue (sender, (CASE WHEN since = 0 THEN due ELSE since END));
