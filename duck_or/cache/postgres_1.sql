-- Version 1 of what an answer cache has in a PostgreSQL database. Run once, inside a transaction, in a schema of its own.

CREATE TABLE duck_or.version (version integer NOT NULL);

-- No index by age: it would cost every put, and only pruning, which reads everything anyway, could use it.
CREATE TABLE duck_or.answer (
    key    bytea            NOT NULL PRIMARY KEY,  -- 32 bytes
    stored double precision NOT NULL,              -- seconds since the epoch
    format smallint         NOT NULL,              -- of body: see codec.py
    size   integer          NOT NULL,              -- of the answer, in bytes
    body   bytea            NOT NULL
);
ALTER TABLE duck_or.answer ALTER COLUMN body SET STORAGE EXTERNAL;  -- it is compressed already

-- Logged, as all of them: what is claimed but not sent yet may be thousands of requests, and without their leases a crash of
-- the server would have each worker send its own.
CREATE TABLE duck_or.lease (
    key    bytea NOT NULL PRIMARY KEY,
    holder text  NOT NULL                          -- a worker; one that is not in `worker` is dead
);

CREATE TABLE duck_or.worker (
    name        text                     NOT NULL PRIMARY KEY,
    lives_until timestamp with time zone NOT NULL
);

CREATE TABLE duck_or.bucket (
    name      text   NOT NULL PRIMARY KEY,
    free_from bigint NOT NULL                      -- the microsecond from which the next token is free
) WITH (fillfactor = 50);                          -- room for the row's next versions beside it

-- A function in plpgsql sees what was committed until it is called, not until its statement began: of a lease that
-- another worker took over meanwhile, it must know that this worker lives.
CREATE FUNCTION duck_or.lives(worker_name text) RETURNS boolean
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    RETURN EXISTS (SELECT FROM duck_or.worker WHERE name = worker_name AND lives_until > clock_timestamp());
END
$$;

-- Reserves tokens (GCRA): the microseconds until the first of them. What they take up is rounded up: never a token too
-- early. rate: tokens a second. at: the time in microseconds, NULL for the server's own (a test says another).
CREATE FUNCTION duck_or.reserve(bucket_name text, rate double precision, tokens bigint, at bigint) RETURNS bigint
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    moment    bigint;
    first_one bigint;
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);  -- of this transaction: a token need not outlive a power cut
    INSERT INTO duck_or.bucket (name, free_from) VALUES (bucket_name, 0) ON CONFLICT DO NOTHING;
    SELECT free_from INTO first_one FROM duck_or.bucket WHERE name = bucket_name FOR UPDATE;
    -- Once the row is ours: the time spent waiting for others is over.
    moment := coalesce(at, floor(extract(epoch FROM clock_timestamp()) * 1000000)::bigint);
    first_one := greatest(first_one, moment);
    UPDATE duck_or.bucket SET free_from = first_one + ceil(tokens * 1000000 / rate)::bigint WHERE name = bucket_name;
    RETURN first_one - moment;
END
$$;
