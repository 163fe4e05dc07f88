-- Answers, and a lease for each key without one that no living worker holds.
-- KEYS: the workers, then an answer for each key asked for, then a lease for each
-- ARGV: worker, seconds after which a lease is garbage, now, ttl ('' for none), 'answered' to lease what is answered, too
-- Returns the answers in order, nil where missing, and the places (from 1) of those whose lease is the worker's now.
local worker, lifetime, now, ttl = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local count = (#KEYS - 1) / 2
local clock = redis.call('TIME')
local microsecond = clock[1] * 1000000 + clock[2]
local living = {[worker] = true}

local function lives(name)
    if living[name] == nil then
        local until_when = redis.call('ZSCORE', KEYS[1], name)
        living[name] = until_when and tonumber(until_when) > microsecond or false
    end
    return living[name]
end

local function good(answer) -- the first eight bytes say when it was stored: see rows.py
    return answer and ARGV[5] == '' and #answer >= 8 and (ttl == nil or now - struct.unpack('>d', answer) <= ttl)
end

local answers = redis.call('MGET', unpack(KEYS, 2, count + 1))
local missing = {}
for place = 1, count do
    if not good(answers[place]) then
        answers[place] = false
        missing[#missing + 1] = place
    end
end

local mine = {}
for _, place in ipairs(missing) do
    local lease = KEYS[1 + count + place]
    local holder = redis.call('GET', lease)
    if not holder or holder == worker or not lives(holder) then
        redis.call('SET', lease, worker, 'EX', lifetime)
        mine[#mine + 1] = place
    end
end
return {answers, mine}
