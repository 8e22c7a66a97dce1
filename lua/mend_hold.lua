#!lua flags=allow-oom
--[[
  mend_hold: let the due set and the budgets say of one hold what it is: a live one stands in them, any other does not.

  KEYS[1]  gate     HASH  epoch, schedule version, state
  KEYS[2]  due      ZSET  site/hold -> deadline, or resolve-by when pinned
  KEYS[3]  hold     HASH
  KEYS[4]  visitor  ZSET  a visitor's live holds, among which it stands or should stand
  KEYS[5]  network  ZSET  a network's, likewise

  ARGV[1]  site     key
  ARGV[2]  epoch    the caller's
  ARGV[3]  hold_id
  ARGV[4]  visitor  hash, whose set that is
  ARGV[5]  network  likewise

  Returns {code, ...}
    RIGHT mended  all three say what is so; mended is 1 if they did not before
    NOT_LOADED    this Redis does not know the site in this epoch; nothing changed
]]
-- include: loaded_schedule
-- include: mend_member

local gate_key, due_key, hold_key, visitor_key, network_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local site, epoch, hold_id, visitor, network = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]

if not loaded_schedule(gate_key, epoch) then
  return { 'NOT_LOADED' }
end
local hold = redis.call('HMGET', hold_key, 'state', 'deadline', 'resolve_by', 'visitor', 'network')
local due, score
if hold[1] == 'paying' then
  due, score = hold[3], 'inf'
elseif hold[1] == 'held' then
  due, score = hold[2], hold[2]
end
local changes = mend_member(due_key, site .. '/' .. hold_id, due, hold[1] == 'paying')
  + mend_member(visitor_key, hold_id, hold[4] == visitor and score or nil)
  + mend_member(network_key, hold_id, hold[5] == network and score or nil)
local mended = math.min(changes, 1)
return { 'RIGHT', mended }
