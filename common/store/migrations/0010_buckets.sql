-- An account's id begins with its bucket, the first 10 bits of its address's SHA-256, so that
-- a bucket is one range of keys in every table with accounts: it can be counted, copied and
-- moved without reading the others.  Accounts of bucket b are
--
--     account.id BETWEEN b << 35 AND (b << 35) + ((1::int8 << 35) - 1)
--
-- and so device.account_id; mailbox.id, message.mailbox_id and expunged.mailbox_id have the
-- folder's 18 bits behind that.  In the last bucket the brackets count: its last mailbox has
-- the greatest int8.
--
--     mailbox.id BETWEEN b << 53 AND (b << 53) + ((1::int8 << 53) - 1)

CREATE FUNCTION bucket_of(addr text) RETURNS int8
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
    $$ SELECT ((get_byte(sha256(convert_to(addr, 'UTF8')), 0) << 2)
               | (get_byte(sha256(convert_to(addr, 'UTF8')), 1) >> 6))::int8 $$;

-- A database of an earlier version has ids of another layout, or, if it has no accounts,
-- functions of another shape.
DO $$ BEGIN
    IF to_regprocedure('due_now(int8,int8,int8)') IS NULL
        OR EXISTS (SELECT FROM account WHERE id >> 35 <> bucket_of(addr)) THEN
        RAISE EXCEPTION 'this database was created by an earlier version, whose layout is '
            'not understood any more: create an empty database for Postbus and run '
            'postbusctl migrate there' USING ERRCODE = 'PB002';
    END IF;
END $$;

-- Whoever still makes ids of another layout is refused.
ALTER TABLE account ADD CONSTRAINT account_bucket CHECK (id >> 35 = bucket_of(addr));
