-- Move a dead letter back to the end of the stream. It starts anew: no failures are remembered.
-- KEYS[1] dead stream, KEYS[2] stream
-- ARGV[1] id of the dead letter
-- Returns 1, or 0 when there is no such dead letter.
local found = redis.call("XRANGE", KEYS[1], ARGV[1], ARGV[1])
if #found == 0 then return 0 end

local fields = found[1][2]
for i = 1, #fields, 2 do
  if fields[i] == "e" then redis.call("XADD", KEYS[2], "*", "e", fields[i + 1]) end
end
redis.call("XDEL", KEYS[1], ARGV[1])
return 1
