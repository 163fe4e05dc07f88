-- Looks at some of the answers. ARGV: the cursor, a pattern of answers, how many keys to look at, about
-- Returns the next cursor ('0' after the last), and of these: how many, bytes of memory, bytes of the answers themselves,
-- the oldest and the newest time, and pairs of a second and the memory of what was stored in it.
local count, memory, size, oldest, newest, by_second = 0, 0, 0, nil, nil, {}
local page = redis.call('SCAN', ARGV[1], 'MATCH', ARGV[2], 'COUNT', ARGV[3], 'TYPE', 'string')
for _, key in ipairs(page[2]) do
    local header = redis.call('GETRANGE', key, 0, 12) -- see rows.py
    local stored, bytes = 0, 0
    if #header == 13 then
        local _
        stored, _, bytes = struct.unpack('>dBI4', header)
        oldest, newest = math.min(oldest or stored, stored), math.max(newest or stored, stored)
    end
    if stored ~= stored then stored = 0 end -- damaged
    local used = redis.call('MEMORY', 'USAGE', key)
    local second = string.format('%.0f', math.floor(stored))
    count, memory, size = count + 1, memory + used, size + bytes
    by_second[second] = (by_second[second] or 0) + used
end

local pairs_of = {}
for second, used in pairs(by_second) do
    pairs_of[#pairs_of + 1] = second
    pairs_of[#pairs_of + 1] = used
end
local function exact(time)
    return time and string.format('%.17g', time) or ''
end
return {page[1], count, memory, size, exact(oldest), exact(newest), pairs_of}
