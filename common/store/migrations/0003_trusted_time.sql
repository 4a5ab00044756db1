-- What PostgreSQL's clock showed when the janitor trusted it last: where one machine has
-- all the clocks, nothing else tells that they have jumped.

CREATE TABLE trusted_time (
    one bool PRIMARY KEY DEFAULT true CHECK (one), -- there is one row
    us int8 NOT NULL
);
INSERT INTO trusted_time (us) VALUES (now_us());
