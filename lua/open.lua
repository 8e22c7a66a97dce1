#!lua flags=allow-oom
--[[
  open: the site is filled, the gate opens. Again: the same answer.

  KEYS[1]  gate  HASH  epoch, schedule version, state and whose rebuild
  KEYS[2]  feed  STREAM

  ARGV[1]  site       key
  ARGV[2]  rebuilder  id of this rebuild
  ARGV[3]  schedule   version that the store has; the gate keeps a later one

  Returns {code}
    OPENED        the gate is open, the feed has been told to read everything anew
    NOT_YOURS     the rebuild is another's by now; nothing changed
]]
local gate_key, feed_key = KEYS[1], KEYS[2]
local site, rebuilder, schedule = ARGV[1], ARGV[2], tonumber(ARGV[3])

local gate = redis.call('HMGET', gate_key, 'state', 'rebuilder', 'epoch', 'schedule')
if gate[2] ~= rebuilder then
  return { 'NOT_YOURS' }
end
if gate[1] == 'OPEN' then
  return { 'OPENED' }
end

schedule = math.max(schedule, tonumber(gate[4]))
redis.call('HSET', gate_key, 'state', 'OPEN', 'schedule', string.format('%d', schedule))
redis.call('XADD', feed_key, 'MAXLEN', '~', '200000', '*', 'reset', string.format('%s %s', site, gate[3]))
return { 'OPENED' }
