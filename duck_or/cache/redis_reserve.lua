-- Reserves tokens (GCRA). KEYS: the bucket, one number: the microsecond from which the next token is free
-- ARGV: tokens per second, how many, the time in microseconds ('' for the server's own; a test says another)
-- Returns the microseconds until the first of them. What they take up is rounded up: never a token too early.
local rate, count, now = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
if not now then
    local clock = redis.call('TIME')
    now = clock[1] * 1000000 + clock[2]
end

local first = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now)
local free_from = first + math.ceil(count * 1000000 / rate)
local text = string.format('%.0f', free_from)
if ARGV[3] == '' then
    redis.call('SET', KEYS[1], text, 'PX', math.ceil((free_from - now) / 1000) + 1) -- after that it says nothing
else
    redis.call('SET', KEYS[1], text)
end
return first - now
