-- When flags of a mailbox changed last: a session that knows of that change need not look
-- for others among all messages.  0 is right for what changed before this column was there,
-- because a session that goes by it has read the mailbox afterwards.
--
-- Services of an older version, which may still run beside the new ones, change flags and
-- do not write the column.  Nothing else raises the modseq alone: mail that comes or goes
-- moves uidnext or nmsg.  When none of them is left the trigger has nothing to do.

ALTER TABLE mailbox ADD COLUMN changed_modseq int8 NOT NULL DEFAULT 0;

CREATE FUNCTION flags_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.changed_modseq := NEW.modseq;
    RETURN NEW;
END $$;
CREATE TRIGGER flags_changed BEFORE UPDATE OF modseq ON mailbox FOR EACH ROW
    WHEN (NEW.modseq <> OLD.modseq AND NEW.uidnext = OLD.uidnext AND NEW.nmsg = OLD.nmsg
          AND NEW.changed_modseq = OLD.changed_modseq)
    EXECUTE FUNCTION flags_changed();
