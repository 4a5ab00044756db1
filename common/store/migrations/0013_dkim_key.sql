-- The keys by which mail to other servers is signed.  All that sign find the same ones here.
-- A key is first published, then used, then retired, and its row goes when nobody can need its
-- record any more.  The private half is encrypted: whoever reads the table alone cannot sign.

CREATE TABLE dkim_key (
    domain text COLLATE "C" NOT NULL,
    selector text COLLATE "C" NOT NULL,
    record text NOT NULL,                -- what DNS has to say at selector._domainkey.domain
    made int8 NOT NULL,                  -- unix, as all of these
    used int8 NOT NULL DEFAULT 0,        -- signs since then; 0: not yet
    retired int8 NOT NULL DEFAULT 0,     -- signs no more since then; 0: it still may
    withdrawn int8 NOT NULL DEFAULT 0,   -- nothing that it signed is under way from then on
    private bytea NOT NULL,
    PRIMARY KEY (domain, selector)
);
