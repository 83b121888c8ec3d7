-- Count one try of an entry on its own, before it is tried: a worker that dies of it has then been counted too.
-- KEYS[1] stream, KEYS[2] hash entry id -> tries on its own
-- ARGV[1] group, ARGV[2] consumer, ARGV[3] entry id
-- Returns how many tries that makes, or nil when the entry is no longer this consumer's. Renews its claim.
local pending = redis.call("XPENDING", KEYS[1], ARGV[1], ARGV[3], ARGV[3], 1)
if #pending == 0 or pending[1][2] ~= ARGV[2] then return nil end

redis.call("XCLAIM", KEYS[1], ARGV[1], ARGV[2], 0, ARGV[3], "JUSTID")
return redis.call("HINCRBY", KEYS[2], ARGV[3], 1)
