#!lua flags=allow-oom
--[[
  rebuild: close the gate and fill the site from the store. One process at a time, as long as it gives signs of life.

  Nothing is deleted: on a Redis that lives, holds go on once the gate is open again.

  KEYS[1]  gate   HASH  epoch, schedule version, state, whose rebuild, until when, and where in the feed it began
  KEYS[2]  clock  HASH  of the partition
  KEYS[3]  feed   STREAM

  ARGV[1]  epoch        the new one, already in the store
  ARGV[2]  rebuilder    id of this rebuild
  ARGV[3]  takeover_ms  after so long without a sign another may take over; the same rebuilder again begins it anew
  ARGV[4]  enough       an open gate of this epoch or a later one needs no filling

  Returns {code, ...}
    TAKEN                  the gate is closed, restore may follow
    FILLED epoch           the gate is open in this epoch, which is enough; nothing changed
    BUSY until_ms epoch    another is filling the site, or it has seen a later epoch (then until_ms is now); epoch is
                           the gate's; nothing changed
]]
-- include: now_ms
-- include: place_in_feed

local gate_key, clock_key, feed_key = KEYS[1], KEYS[2], KEYS[3]
local epoch, rebuilder, takeover_ms, enough = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])

local now = now_ms(clock_key)
local gate = redis.call('HMGET', gate_key, 'epoch', 'state', 'rebuilder', 'until_ms')
if gate[2] == 'OPEN' and tonumber(gate[1]) >= enough then
  return { 'FILLED', tonumber(gate[1]) }
end
if gate[1] and tonumber(gate[1]) > epoch then
  return { 'BUSY', now, tonumber(gate[1]) }
end
if gate[2] == 'REBUILDING' and gate[3] ~= rebuilder and now < tonumber(gate[4]) then
  return { 'BUSY', tonumber(gate[4]), tonumber(gate[1]) }
end

redis.call('HSETNX', gate_key, 'schedule', '0')
redis.call('HSET', gate_key, 'epoch', string.format('%d', epoch), 'state', 'REBUILDING', 'rebuilder', rebuilder,
  'until_ms', string.format('%d', now + takeover_ms), 'begun_at', place_in_feed(feed_key))
return { 'TAKEN' }
