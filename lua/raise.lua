--[[
  raise: a change of the schedule begins. From here on no hold on an older schedule is granted.

  KEYS[1]  gate  HASH  epoch, schedule version, who raised it, state
  KEYS[2]  feed  STREAM

  ARGV[1]  site     key
  ARGV[2]  epoch    the caller's
  ARGV[3]  version  to raise the gate to
  ARGV[4]  token    of this change: the same again gets the same answer

  Returns {code, ...}
    RAISED version    the gate is there, the feed has been told; or was brought there by this very change before
    STALE version     the gate's: another change was faster; nothing changed
    NOT_LOADED        this Redis does not know the site in this epoch; nothing changed
]]
-- include: loaded_schedule
-- include: tell_schedule

local gate_key, feed_key = KEYS[1], KEYS[2]
local site, epoch, version, token = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]

local gate_schedule = loaded_schedule(gate_key, epoch)
if not gate_schedule then
  return { 'NOT_LOADED' }
end
if version == gate_schedule and redis.call('HGET', gate_key, 'raised_by') == token then
  return { 'RAISED', version }
end
if version <= gate_schedule then
  return { 'STALE', gate_schedule }
end

redis.call('HSET', gate_key, 'schedule', string.format('%d', version), 'raised_by', token)
tell_schedule(feed_key, site, epoch, 'schedule', version)
return { 'RAISED', version }
