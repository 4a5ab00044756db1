-- Transports: the way in which a message leaves is chosen when its row is made, and is a target
-- such as smtp://relay.example:587, or empty: the domain's MX records.  Who does not know of
-- this leaves it null, and the sender chooses.

ALTER TABLE queue_remote ADD COLUMN transport text COLLATE "C";
-- Claims go from destination to destination through this, so that each gets its turn: the
-- target if there is one, else the domain.  It stands in for the index on the domain alone: two
-- would cost each message.  Until they are replaced, senders that do not know of targets read the
-- whole table for each destination that they look up.
CREATE INDEX queue_remote_destination
    ON queue_remote ((coalesce(nullif(transport, ''), domain)), due);
DROP INDEX queue_remote_domain;
