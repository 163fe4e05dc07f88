-- Puts answers that are newer than what is there. KEYS: answers. ARGV: the same number of them. Returns how many it put.
-- An answer begins with the time at which it was stored, eight bytes: see rows.py
local function stored(answer)
    return answer and #answer >= 8 and struct.unpack('>d', answer) or -math.huge
end

local added = 0
for place, answer in ipairs(redis.call('MGET', unpack(KEYS))) do
    if stored(ARGV[place]) > stored(answer) then
        redis.call('SET', KEYS[place], ARGV[place])
        added = added + 1
    end
end
return added
