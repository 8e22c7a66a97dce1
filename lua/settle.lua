--[[
  settle: the store has the schedule that the gate was raised to. Telling it twice does no harm.

  KEYS[1]  gate  HASH  epoch, schedule version, state
  KEYS[2]  feed  STREAM

  ARGV[1]  site     key
  ARGV[2]  epoch    the caller's
  ARGV[3]  version  that the store has

  Returns {code}
    SETTLED       the feed has been told; the gate is at this version at least
    NOT_LOADED    this Redis does not know the site in this epoch; nothing changed
]]
-- include: loaded_schedule
-- include: tell_schedule

local gate_key, feed_key = KEYS[1], KEYS[2]
local site, epoch, version = ARGV[1], ARGV[2], tonumber(ARGV[3])

local gate_schedule = loaded_schedule(gate_key, epoch)
if not gate_schedule then
  return { 'NOT_LOADED' }
end

if version > gate_schedule then
  redis.call('HSET', gate_key, 'schedule', string.format('%d', version))
end
tell_schedule(feed_key, site, epoch, 'settled', version)
return { 'SETTLED' }
