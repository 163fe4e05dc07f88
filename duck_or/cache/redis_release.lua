-- Ends leases. KEYS: leases. ARGV: the worker whose they must be
for _, lease in ipairs(KEYS) do
    if redis.call('GET', lease) == ARGV[1] then
        redis.call('DEL', lease)
    end
end
