#!lua flags=allow-oom
--[[
  release: give a hold back before its deadline. Again: the same answer.

  KEYS[1]    gate     HASH  epoch, schedule version, state
  KEYS[2]    clock    HASH  of the partition
  KEYS[3]    due      ZSET  site/hold -> deadline
  KEYS[4]    feed     STREAM
  KEYS[5]    hold     HASH  lines, state, deadline, hash of the secret
  KEYS[6]    visitor  ZSET  live holds of the visitor
  KEYS[7]    network  ZSET  live holds of the network
  KEYS[8..]  day, slot of each line, in the order of the lines, then the diaries of its claims

  ARGV[1]    site     key
  ARGV[2]    epoch    the caller's
  ARGV[3]    hold_id
  ARGV[4]    secret   hash; a hold is only given back by whoever took it
  ARGV[5]    claims_text  of the hold, as it was read
  ARGV[6..]  slot, seats, start in ms of each line, as they were read

  Returns {code}
    RELEASED      seats are free, the feed has been told; or were given back before
    ENDED         it had expired or become a booking before; nothing changed
    NOT_YOURS     nothing changed
    PAYING        its customer is paying; nothing changed
    MOVED         its lines are others by now: read again; nothing changed
    NOT_LOADED    this Redis does not know the site in this epoch; nothing changed
]]
-- include: now_ms
-- include: loaded_schedule
-- include: running_hold
-- include: lines_of
-- include: lines_text
-- include: give_back
-- include: claims_of
-- include: drop_claims
-- include: end_hold
-- include: tell_seats

local gate_key, clock_key, feed_key = KEYS[1], KEYS[2], KEYS[4]
local keys = { due = KEYS[3], hold = KEYS[5], visitor = KEYS[6], network = KEYS[7] }
local site, epoch, hold_id, secret, claims_text = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local lines = lines_of(KEYS, 8, ARGV, 6, 3, (#ARGV - 5) / 3)
local claims = claims_of(KEYS, 8 + 2 * #lines, claims_text, hold_id)

if not loaded_schedule(gate_key, epoch) then
  return { 'NOT_LOADED' }
end
local now = now_ms(clock_key)
local hold, refused, ended = running_hold(keys.hold, secret, now, 'fence')
if ended == 'released' then
  return { 'RELEASED' }
end
if not hold then
  return { refused }
end
if hold.lines ~= lines_text(lines) or (hold.claims or '') ~= claims_text then
  return { 'MOVED' }
end

local parts = give_back(lines, hold_id)
drop_claims(gate_key, claims, parts)
-- One that nobody ever paid for is known for ten minutes: whoever takes and gives back all day fills no memory by it.
end_hold(keys, site, hold_id, 'released', hold.version + 1, not hold.fence and '600')
tell_seats(feed_key, site, epoch, 'release', hold_id, '', parts)
return { 'RELEASED' }
