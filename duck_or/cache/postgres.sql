-- What is asked of the tables of postgres_1.sql, one statement below each name.
-- Who locks several rows locks them in the order of their keys, and answers before leases: then nobody deadlocks.

-- name: look_up
SELECT key, stored, format, size, body FROM duck_or.answer WHERE key = ANY(%(keys)b::bytea[])

-- name: put
INSERT INTO duck_or.answer (key, stored, format, size, body)
SELECT * FROM unnest(%(keys)b::bytea[], %(stored)b::float8[], %(formats)b::int2[], %(sizes)b::int4[], %(bodies)b::bytea[])
ON CONFLICT (key) DO UPDATE
SET stored = excluded.stored, format = excluded.format, size = excluded.size, body = excluded.body

-- name: add
INSERT INTO duck_or.answer (key, stored, format, size, body)
SELECT * FROM unnest(%(keys)b::bytea[], %(stored)b::float8[], %(formats)b::int2[], %(sizes)b::int4[], %(bodies)b::bytea[])
ON CONFLICT (key) DO UPDATE
SET stored = excluded.stored, format = excluded.format, size = excluded.size, body = excluded.body
WHERE excluded.stored > answer.stored

-- name: delete
DELETE FROM duck_or.answer WHERE key IN (
    SELECT key FROM duck_or.answer WHERE key = ANY(%(keys)b::bytea[]) ORDER BY key FOR UPDATE
)

-- name: end_leases
DELETE FROM duck_or.lease WHERE key IN (
    SELECT key FROM duck_or.lease WHERE key = ANY(%(keys)b::bytea[]) ORDER BY key FOR UPDATE
)

-- name: page
SELECT key, stored, format, size, body FROM duck_or.answer
WHERE key > %(after)b::bytea ORDER BY key LIMIT %(rows)s

-- name: lease
-- Leases for the keys without a good answer (answered: for all) whose holder is not another living worker. The first
-- condition on the holder keeps those who only look again later from locking rows; the second is asked with the row locked.
INSERT INTO duck_or.lease (key, holder)
SELECT asked.key, %(worker)s FROM unnest(%(keys)b::bytea[]) AS asked (key)
WHERE (%(answered)s OR NOT EXISTS (
    SELECT FROM duck_or.answer
    WHERE answer.key = asked.key AND (%(ttl)s::float8 IS NULL OR %(now)s::float8 - answer.stored <= %(ttl)s::float8)
)) AND NOT EXISTS (
    SELECT FROM duck_or.lease JOIN duck_or.worker ON name = holder
    WHERE lease.key = asked.key AND holder <> %(worker)s AND lives_until > clock_timestamp()
)
ORDER BY asked.key
ON CONFLICT (key) DO UPDATE SET holder = excluded.holder
WHERE lease.holder = excluded.holder OR NOT duck_or.lives(lease.holder)
RETURNING key

-- name: release
DELETE FROM duck_or.lease WHERE key IN (
    SELECT key FROM duck_or.lease WHERE key = ANY(%(keys)b::bytea[]) AND holder = %(worker)s ORDER BY key FOR UPDATE
)

-- name: beat
WITH alive AS (
    INSERT INTO duck_or.worker (name, lives_until)
    VALUES (%(worker)s, clock_timestamp() + make_interval(secs => %(lifetime)s))
    ON CONFLICT (name) DO UPDATE SET lives_until = excluded.lives_until
), dead AS (
    DELETE FROM duck_or.worker WHERE name IN (
        SELECT name FROM duck_or.worker
        WHERE lives_until <= clock_timestamp() AND name <> %(worker)s FOR UPDATE SKIP LOCKED
    )
)
SELECT 1 + count(*) FROM duck_or.worker WHERE lives_until > clock_timestamp() AND name <> %(worker)s

-- name: leave
DELETE FROM duck_or.worker WHERE name = %(worker)s

-- name: reserve
SELECT duck_or.reserve(%(bucket)s, %(rate)s, %(tokens)s, %(at)s)

-- name: summary
SELECT count(*), coalesce(sum(size), 0)::bigint, min(stored), max(stored), (
    SELECT sum(pg_total_relation_size(oid))::bigint FROM pg_class
    WHERE relnamespace = 'duck_or'::regnamespace AND relkind = 'r'
) FROM duck_or.answer

-- name: clear
DELETE FROM duck_or.answer

-- name: prune_expired
DELETE FROM duck_or.answer WHERE %(now)s::float8 - stored > %(ttl)s

-- name: prune_surplus
-- The newest up to the cap stay. A row's own columns, its head and its place in the index take about 130 bytes.
DELETE FROM duck_or.answer WHERE key IN (
    SELECT key FROM (
        SELECT key, sum(octet_length(body) + 130) OVER (ORDER BY stored DESC, key) AS bytes FROM duck_or.answer
    ) AS aged WHERE bytes > %(max_bytes)s
)

-- name: prune_leases
DELETE FROM duck_or.lease WHERE NOT duck_or.lives(holder)

-- name: vacuum
VACUUM duck_or.answer, duck_or.lease, duck_or.worker, duck_or.bucket
