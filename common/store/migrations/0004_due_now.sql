-- When new mail is due: now, if this clock confirms the time that its body's id carries.
-- That time is what it will be forgotten by.  One that is far off would have it removed
-- too early, or kept for too long; so the transaction fails, nothing has been acknowledged
-- yet, and the message comes again.  So it does while the clock is behind itself (trusted_us
-- is that of trusted_time), for what comes now will look old once the clock is right.
--
-- due_now is simple enough to be put in line, which saves each message a call.

CREATE FUNCTION refuse_clock(reason text) RETURNS int8 LANGUAGE plpgsql STABLE AS $$
BEGIN
    RAISE EXCEPTION '%', reason USING ERRCODE = 'PB001';
END $$;

CREATE FUNCTION due_now(body_id int8, now_us int8, trusted_us int8) RETURNS int8
    LANGUAGE sql STABLE AS $$
    SELECT CASE
        WHEN abs(((body_id >> 22) + 1735689600000) * 1000 - now_us) > 300000000
            THEN refuse_clock('the clock of this service and that of PostgreSQL differ')
        WHEN now_us < trusted_us - 86400000000
            THEN refuse_clock('the clock of PostgreSQL is days behind what it was')
        ELSE now_us
    END $$;
