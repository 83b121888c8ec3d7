-- Append one delivery, once: all its entries and the answer to it, or nothing. What it brought is counted with it.
-- KEYS[1] stream of the bot
-- KEYS[2] first answer to the delivery
-- KEYS[3] hash of all counts, KEYS[4] hash of the day's
-- KEYS[5] hash source -> when its newest delivery was taken
-- ARGV[1] bound: entries the stream may hold; a delivery larger than that still fits into an empty stream
-- ARGV[2] lifetime of the answer, seconds
-- ARGV[3] the answer
-- ARGV[4] source, ARGV[5] now, seconds since 1970
-- ARGV[6] lifetime of the day's counts, seconds
-- ARGV[7] how many of what follows are counts, as what, how many, what, how many, …
-- ARGV[…] entries
-- Returns {"known", first answer}, {"full", ""} or {"new", ""}.
local function count(what, n)
  for i = 3, 4 do redis.call("HINCRBY", KEYS[i], ARGV[4] .. ":" .. what, n) end
  redis.call("EXPIRE", KEYS[4], ARGV[6])
end

local first = redis.call("GET", KEYS[2])
if first then
  count("repeat", 1)
  return {"known", first}
end

local before = 7 + tonumber(ARGV[7])
local entries = #ARGV - before
local depth = redis.call("XLEN", KEYS[1])
if entries > 0 and depth > 0 and depth + entries > tonumber(ARGV[1]) then return {"full", ""} end

redis.call("SET", KEYS[2], ARGV[3], "EX", ARGV[2])
for i = before + 1, #ARGV do redis.call("XADD", KEYS[1], "*", "e", ARGV[i]) end
for i = 8, before, 2 do count(ARGV[i], ARGV[i + 1]) end
redis.call("HSET", KEYS[5], ARGV[4], ARGV[5])
return {"new", ""}
