-- Who may call the admin API.  A token is 256 random bits, so its plain SHA-256 tells nobody
-- what it is.  Rows stay when a token is revoked: what was once a token never is one again.

CREATE TABLE api_token (
    hash bytea PRIMARY KEY,              -- SHA-256 of the token
    name text COLLATE "C" NOT NULL,      -- what people call it
    created int8 NOT NULL,               -- unix
    revoked int8 NOT NULL DEFAULT 0,     -- unix; 0: it is valid
    used_day int4 NOT NULL DEFAULT 0     -- days since 1970, written at most once a day
) WITH (fillfactor = 80);

-- Of the valid ones each has a name of its own.
CREATE UNIQUE INDEX api_token_name ON api_token (name) WHERE revoked = 0;
