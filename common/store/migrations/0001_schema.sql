-- The first schema: accounts, mailboxes, messages, bodies, queues.
--
-- No foreign keys: they would lock the shared body and the hot mailbox row with every
-- delivery; the statements in common/store keep the rows consistent.  No index beside
-- the primary keys on anything that is updated often, so that updates stay in their page.
-- Times "us" and "unix" are PostgreSQL's own clock.

CREATE FUNCTION now_us() RETURNS int8 LANGUAGE sql STABLE PARALLEL SAFE AS
    $$ SELECT (extract(epoch FROM now()) * 1000000)::int8 $$;
CREATE FUNCTION now_unix() RETURNS int8 LANGUAGE sql STABLE PARALLEL SAFE AS
    $$ SELECT floor(extract(epoch FROM now()))::int8 $$;
CREATE FUNCTION today() RETURNS int4 LANGUAGE sql STABLE PARALLEL SAFE AS
    $$ SELECT floor(extract(epoch FROM now()) / 86400)::int4 $$;

CREATE TABLE account (
    id int8 PRIMARY KEY,                 -- bucket 10 bits, random 35 bits
    created_day int4 NOT NULL,           -- days since 1970
    seen_day int4 NOT NULL,              -- last login, written at most once a day
    flags int4 NOT NULL DEFAULT 0,
    state int2 NOT NULL DEFAULT 0,
    addr text COLLATE "C" NOT NULL UNIQUE,
    pwhash text COLLATE "C" NOT NULL
) WITH (fillfactor = 80);

-- The lock, the counters and the quota.  Folder 0 also keeps what belongs to the whole
-- account: bytes, quota, the next folder number and the next UIDVALIDITY.
CREATE TABLE mailbox (
    id int8 PRIMARY KEY,                 -- account id, folder number 18 bits
    modseq int8 NOT NULL DEFAULT 1,
    bytes int8 NOT NULL DEFAULT 0,       -- folder 0: of all folders
    quota int8 NOT NULL DEFAULT 0,       -- folder 0
    uidnext int4 NOT NULL DEFAULT 1,
    uidvalidity int4 NOT NULL,
    nmsg int4 NOT NULL DEFAULT 0,
    next_folder int4 NOT NULL DEFAULT 1, -- folder 0
    next_validity int4 NOT NULL DEFAULT 1, -- folder 0
    use int2 NOT NULL DEFAULT 0,
    subscribed bool NOT NULL DEFAULT true,
    name text COLLATE "C" NOT NULL DEFAULT 'INBOX'
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05,
        autovacuum_vacuum_cost_delay = 0);

CREATE TABLE message (
    mailbox_id int8 NOT NULL,
    body_id int8 NOT NULL,               -- carries the time of arrival
    modseq int8 NOT NULL,
    idate int8 NOT NULL,                 -- INTERNALDATE, unix
    uid int4 NOT NULL,
    size int4 NOT NULL,
    flags int4 NOT NULL DEFAULT 0,       -- common/store/flags.def
    PRIMARY KEY (mailbox_id, uid)
) WITH (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.02,
        autovacuum_vacuum_insert_scale_factor = 0.2);

-- One row for each expunge, not for each message.
CREATE TABLE expunged (
    mailbox_id int8 NOT NULL,
    modseq int8 NOT NULL,                -- a time in us, too
    uids int4[] NOT NULL,
    PRIMARY KEY (mailbox_id, modseq)
);

CREATE TABLE queue (
    due int8 NOT NULL,                   -- us
    body_id int8 NOT NULL,
    idate int8 NOT NULL,
    size int4 NOT NULL,
    attempts int2 NOT NULL DEFAULT 0,    -- times that it is suspected to have killed
    sender text COLLATE "C" NOT NULL,
    rcpt text[] COLLATE "C" NOT NULL,
    envelope jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (due, body_id)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0,
        autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);

CREATE TABLE queue_aside (
    body_id int8 PRIMARY KEY,
    since int8 NOT NULL,                 -- unix
    idate int8 NOT NULL,
    size int4 NOT NULL,
    attempts int2 NOT NULL,
    sender text COLLATE "C" NOT NULL,
    rcpt text[] COLLATE "C" NOT NULL,
    envelope jsonb NOT NULL,
    reason text NOT NULL
);

CREATE TABLE queue_remote (              -- one row per message and destination domain
    id int8 PRIMARY KEY,
    due int8 NOT NULL,                   -- us; a claim moves it to the end of the lease
    body_id int8 NOT NULL,
    created int8 NOT NULL,               -- unix
    expires int8 NOT NULL,               -- unix
    size int4 NOT NULL,
    lease int4 NOT NULL DEFAULT 0,       -- fencing token
    attempts int4 NOT NULL DEFAULT 0,
    domain text COLLATE "C" NOT NULL,
    sender text COLLATE "C" NOT NULL,
    rcpt text[] COLLATE "C" NOT NULL,
    prefix bytea NOT NULL,
    envelope jsonb NOT NULL DEFAULT '{}',
    last_error text NOT NULL DEFAULT ''
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0,
        autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);
-- Claims go from domain to domain through this, so that each gets its turn.
CREATE INDEX queue_remote_domain ON queue_remote (domain, due);

CREATE TABLE queue_failed (              -- waits for its bounce
    id int8 NOT NULL,
    lease int4 NOT NULL,                 -- with id: one row per attempt that failed
    body_id int8 NOT NULL,
    created int8 NOT NULL,
    failed int8 NOT NULL,                -- unix
    size int4 NOT NULL,
    domain text COLLATE "C" NOT NULL,
    sender text COLLATE "C" NOT NULL,
    envelope jsonb NOT NULL,
    rcpt text[] COLLATE "C" NOT NULL,    -- these four have the same length
    status text[] COLLATE "C" NOT NULL,
    diagnostic text[] COLLATE "C" NOT NULL,
    remote_mta text[] COLLATE "C" NOT NULL,
    PRIMARY KEY (id, lease)
);

CREATE TABLE device (
    account_id int8 NOT NULL,
    renewed int8 NOT NULL,               -- unix
    token text COLLATE "C" NOT NULL,
    PRIMARY KEY (account_id, token)
);

-- A ring of day tables, emptied by TRUNCATE.  Independent tables, so that emptying one
-- never waits for readers of another.  token: only in the first chunk.
DO $$
BEGIN
    FOR slot IN 0..31 LOOP
        EXECUTE format('CREATE TABLE body_%s (id int8 NOT NULL, token int8, '
            'seq int2 NOT NULL, data bytea NOT NULL, PRIMARY KEY (id, seq)) '
            'WITH (toast_tuple_target = 8160, autovacuum_enabled = false, '
            'toast.autovacuum_enabled = false)', lpad(slot::text, 2, '0'));
        EXECUTE format('ALTER TABLE body_%s ALTER data SET STORAGE EXTERNAL',
            lpad(slot::text, 2, '0'));
    END LOOP;
END $$;
