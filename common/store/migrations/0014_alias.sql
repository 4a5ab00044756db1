-- Names that stand for other addresses, changed while all runs.  What operators write into
-- files does not come here.

CREATE TABLE alias (
    key text COLLATE "C" PRIMARY KEY,        -- "info@chat.example", "info" for any domain of
                                             -- ours, "@chat.example" for names nobody has
    targets text[] COLLATE "C" NOT NULL,     -- addresses, or names that keep the domain
    changed int8 NOT NULL,                   -- unix
    CHECK (cardinality(targets) BETWEEN 1 AND 1000)
);
