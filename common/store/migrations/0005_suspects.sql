-- Suspects are looked for every few seconds, also behind a backlog of a million rows that
-- are none.

CREATE INDEX queue_suspects ON queue (due, body_id) WHERE attempts > 0;
