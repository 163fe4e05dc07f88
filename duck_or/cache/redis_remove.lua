-- Removes some of the answers: those too old, those of earlier seconds than the given one, and of that second's as many as
-- it takes. ARGV: the cursor, a pattern of answers, how many keys to look at, about; now, ttl ('' for none); the second
-- ('' for none), bytes of memory to free in it
-- Returns the next cursor ('0' after the last), how many were removed, and the bytes still to free in that second.
local now, ttl, second, owing = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local removed = 0
local page = redis.call('SCAN', ARGV[1], 'MATCH', ARGV[2], 'COUNT', ARGV[3], 'TYPE', 'string')
for _, key in ipairs(page[2]) do
    local header = redis.call('GETRANGE', key, 0, 7) -- see rows.py
    local stored = #header == 8 and struct.unpack('>d', header) or 0
    if stored ~= stored then stored = 0 end -- damaged
    local surplus = second and math.floor(stored) < second
    if second and math.floor(stored) == second and owing > 0 then
        owing = owing - redis.call('MEMORY', 'USAGE', key)
        surplus = true
    end
    if surplus or (ttl and now - stored > ttl) then
        removed = removed + redis.call('UNLINK', key)
    end
end
return {page[1], removed, string.format('%.0f', owing)}
