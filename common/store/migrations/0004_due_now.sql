-- When new mail is due: now, if this clock confirms the time that its body's id carries.
-- That time is what it will be forgotten by.  One that is far off would have it removed
-- too early, or kept for too long; so the transaction fails, nothing has been acknowledged
-- yet, and the message comes again.  So it does while the clock is behind itself, for what
-- comes now will look old once the clock is right.

CREATE FUNCTION due_now(body_id int8) RETURNS int8 LANGUAGE plpgsql STABLE AS $$
DECLARE
    now int8 := now_us();
    arrived int8 := ((body_id >> 22) + 1735689600000) * 1000;
BEGIN
    IF abs(arrived - now) > 300000000 THEN
        RAISE EXCEPTION 'the clock of this service and that of PostgreSQL differ'
            USING ERRCODE = 'PB001';
    END IF;
    IF now < (SELECT us FROM trusted_time) - 86400000000 THEN
        RAISE EXCEPTION 'the clock of PostgreSQL is days behind what it was'
            USING ERRCODE = 'PB001';
    END IF;
    RETURN now;
END $$;
