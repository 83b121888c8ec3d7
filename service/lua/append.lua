-- Append one delivery, once: all its entries and the answer to it, or nothing.
-- KEYS[1] stream of the bot
-- KEYS[2] first answer to the delivery
-- ARGV[1] bound: entries the stream may hold; a delivery larger than that still fits into an empty stream
-- ARGV[2] lifetime of the answer, seconds
-- ARGV[3] the answer
-- ARGV[4…] entries
-- Returns {"known", first answer}, {"full", ""} or {"new", ""}.
local first = redis.call("GET", KEYS[2])
if first then return {"known", first} end

local entries = #ARGV - 3
local depth = redis.call("XLEN", KEYS[1])
if entries > 0 and depth > 0 and depth + entries > tonumber(ARGV[1]) then return {"full", ""} end

redis.call("SET", KEYS[2], ARGV[3], "EX", ARGV[2])
for i = 4, #ARGV do redis.call("XADD", KEYS[1], "*", "e", ARGV[i]) end
return {"new", ""}
