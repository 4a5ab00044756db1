-- An account's quota is the option's value unless it has one of its own, so that a changed
-- option counts for all.  The column quota is what services of version 1 go by, which may
-- still run beside the new ones: with 0 in it they would refuse all mail.  Nothing but the
-- option has set it so far, so it says of nobody that he has a quota of his own.

ALTER TABLE mailbox
    ADD COLUMN own_quota int8 NOT NULL DEFAULT 0; -- folder 0; 0: the option's value

-- The one place that knows what 0 means.  Simple enough to be put in line.
CREATE FUNCTION quota_of(own int8, standard int8) RETURNS int8
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
    $$ SELECT coalesce(nullif(own, 0), standard) $$;
