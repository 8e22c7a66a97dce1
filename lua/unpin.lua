#!lua flags=allow-oom
--[[
  unpin: the payment failed or was given up. Back to a hold with some time left, or released. Again: the same answer.

  KEYS[1]    gate     HASH  epoch, schedule version, state
  KEYS[2]    clock    HASH  of the partition
  KEYS[3]    due      ZSET  site/hold -> deadline
  KEYS[4]    feed     STREAM
  KEYS[5]    hold     HASH
  KEYS[6]    visitor  ZSET  live holds of the visitor -> deadline
  KEYS[7]    network  ZSET  live holds of the network -> deadline
  KEYS[8..]  day, slot of each line, in the order of the lines, then the diaries of its claims

  ARGV[1]    site         key
  ARGV[2]    epoch        the caller's
  ARGV[3]    hold_id
  ARGV[4]    fence        of the pin
  ARGV[5]    mode         `hold` or `release`
  ARGV[6]    min_left_ms  at least so much time is left to a hold, up to its limit and one payment window
  ARGV[7]    claims_text  of the hold, as it was read
  ARGV[8..]  slot, seats, start in ms of each line

  Returns {code, ...}
    HELD deadline limit version now    it runs again, the feed has been told; or did, by this very call before
    RELEASED      seats are free, the feed has been told; or were given back before. Also where no time is left to hold
    STALE         it is not pinned under this fence; nothing changed
    NOT_LOADED    this Redis does not know the site in this epoch; nothing changed
]]
-- include: now_ms
-- include: loaded_schedule
-- include: lines_of
-- include: lines_text
-- include: give_back
-- include: keep_line
-- include: claims_of
-- include: keep_claims
-- include: drop_claims
-- include: keep_hold
-- include: end_hold
-- include: tell_seats

local gate_key, clock_key, feed_key = KEYS[1], KEYS[2], KEYS[4]
local keys = { due = KEYS[3], hold = KEYS[5], visitor = KEYS[6], network = KEYS[7] }
local site, epoch, hold_id, fence = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local mode, min_left_ms, claims_text = ARGV[5], tonumber(ARGV[6]), ARGV[7]
local lines = lines_of(KEYS, 8, ARGV, 8, 3, (#ARGV - 7) / 3)
local claims = claims_of(KEYS, 8 + 2 * #lines, claims_text, hold_id)

if not loaded_schedule(gate_key, epoch) then
  return { 'NOT_LOADED' }
end
local now = now_ms(clock_key)
local hold = redis.call('HMGET', keys.hold, 'state', 'fence', 'lines', 'deadline', 'limit', 'version', 'window',
  'unpinned', 'claims')
local state, deadline, limit = hold[1], tonumber(hold[4] or 0), tonumber(hold[5] or 0)
local version = tonumber(hold[6] or 0)
if hold[8] == fence and state == 'held' and mode == 'hold' then
  return { 'HELD', deadline, limit, version, now }
end
if hold[8] == fence and state == 'released' then
  return { 'RELEASED' }
end
if state ~= 'paying' or hold[2] ~= fence or hold[3] ~= lines_text(lines) or (hold[9] or '') ~= claims_text then
  return { 'STALE' }
end

redis.call('HSET', keys.hold, 'unpinned', fence)
deadline = math.min(math.max(deadline, now + min_left_ms), limit + tonumber(hold[7]))
if mode == 'release' or deadline <= now then
  local freed = give_back(lines, hold_id)
  drop_claims(gate_key, claims, freed)
  end_hold(keys, site, hold_id, 'released', version + 1)
  tell_seats(feed_key, site, epoch, 'release', hold_id, '', freed)
  return { 'RELEASED' }
end
version = version + 1
local score = string.format('%d', deadline)
local parts = {}
for n, line in ipairs(lines) do
  local seats = read_seats(line.day_key, line.slot_id)
  keep_line(line, seats, string.format('%s:%d', hold_id, line.seats), score)
  parts[n] = write_seats(line, seats)
end
keep_claims(gate_key, claims, score, parts)
redis.call('HSET', keys.hold, 'state', 'held', 'deadline', score, 'version', string.format('%d', version))
keep_hold(keys, site, hold_id, deadline, score)
tell_seats(feed_key, site, epoch, 'unpin', hold_id, score, parts)
return { 'HELD', deadline, limit, version, now }
