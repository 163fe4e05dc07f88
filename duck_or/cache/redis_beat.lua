-- A worker lives. KEYS: the workers, by the microsecond until which they live. ARGV: worker, lifetime in microseconds
-- Returns how many live, this one included.
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
local living = redis.call('ZCARD', KEYS[1])
local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')
redis.call('PEXPIREAT', KEYS[1], math.ceil(last[2] / 1000)) -- of no use when none lives
return living
