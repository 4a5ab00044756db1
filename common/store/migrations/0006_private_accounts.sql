-- How many accounts came to be from private addresses, behind which a proxy may hide
-- everybody: no process sees them all.

CREATE TABLE private_accounts (
    one bool PRIMARY KEY DEFAULT true CHECK (one), -- there is one row
    hour int8 NOT NULL, -- since 1970
    made int8 NOT NULL -- within it
);
INSERT INTO private_accounts (hour, made) VALUES (0, 0);
