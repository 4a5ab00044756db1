-- With which domains mail is exchanged, changed while all runs.

CREATE TABLE federation (
    pattern text COLLATE "C" PRIMARY KEY,    -- "far.example", "*.far.example" or "*"
    directions int2 NOT NULL,                -- bits: 1 mail from there, 2 mail to there
    blocks bool NOT NULL,                    -- else it allows what a wider one blocks
    changed int8 NOT NULL,                   -- unix
    CHECK (directions BETWEEN 1 AND 3)
);
