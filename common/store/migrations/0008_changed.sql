-- When flags of a mailbox changed last: a session that knows of that change need not look
-- for others among all messages.  0 is right for what changed before this column was there,
-- because a session that goes by it has read the mailbox afterwards.

ALTER TABLE mailbox ADD COLUMN changed_modseq int8 NOT NULL DEFAULT 0;
