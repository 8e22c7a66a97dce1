--[[
  rebuild: close the gate and fill the site from the store. One process at a time, until its takeover time has passed.

  Nothing is deleted: on a Redis that lives, holds go on once the gate is open again.

  KEYS[1]  gate   HASH  epoch, schedule version, state, whose rebuild and until when
  KEYS[2]  clock  HASH  of the partition

  ARGV[1]  epoch        the new one, already in the store
  ARGV[2]  rebuilder    id of this rebuild
  ARGV[3]  takeover_ms  after so long another may take over; the same rebuilder again begins it anew

  Returns {code, ...}
    TAKEN                  the gate is closed, restore may follow
    BUSY until_ms epoch    another is filling the site, or it has seen a later epoch (then until_ms is now); epoch is
                           the gate's; nothing changed
]]
-- include: now_ms

local gate_key, clock_key = KEYS[1], KEYS[2]
local epoch, rebuilder, takeover_ms = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3])

local now = now_ms(clock_key)
local gate = redis.call('HMGET', gate_key, 'epoch', 'state', 'rebuilder', 'until_ms')
if gate[1] and tonumber(gate[1]) > epoch then
  return { 'BUSY', now, tonumber(gate[1]) }
end
if gate[2] == 'REBUILDING' and gate[3] ~= rebuilder and now < tonumber(gate[4]) then
  return { 'BUSY', tonumber(gate[4]), tonumber(gate[1]) }
end

redis.call('HSETNX', gate_key, 'schedule', '0')
redis.call('HSET', gate_key, 'epoch', string.format('%d', epoch), 'state', 'REBUILDING', 'rebuilder', rebuilder,
  'until_ms', string.format('%d', now + takeover_ms))
return { 'TAKEN' }
