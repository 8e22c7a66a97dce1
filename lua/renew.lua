--[[
  renew: move the deadline of a hold, from the version its visitor saw.

  The deadline is absolute and never moves back, nor past the hold's limit. The same version again gets the same answer.

  KEYS[1]    gate     HASH  epoch, schedule version, state
  KEYS[2]    clock    HASH  of the partition
  KEYS[3]    due      ZSET  site/hold -> deadline
  KEYS[4]    feed     STREAM
  KEYS[5]    hold     HASH
  KEYS[6]    visitor  ZSET  live holds of the visitor -> deadline
  KEYS[7]    network  ZSET  live holds of the network -> deadline
  KEYS[8..]  day, slot of each line, in the order of the lines, then the diaries of its claims

  ARGV[1]    site          key
  ARGV[2]    epoch         the caller's
  ARGV[3]    hold_id
  ARGV[4]    secret        hash; a hold is only renewed by whoever took it
  ARGV[5]    version_seen  of the hold, by its visitor
  ARGV[6]    wanted        deadline, in ms
  ARGV[7]    claims_text   of the hold, as it was read
  ARGV[8..]  slot, seats, start in ms of each line, as they were read

  Returns {code, ...}
    RENEWED deadline limit version now    the deadline has moved, the feed has been told; or did, by this very call before
    ENDED         it had ended before; nothing changed
    NOT_YOURS     nothing changed
    PAYING        its customer is paying; nothing changed
    MOVED         its version or its lines are others by now: read again; nothing changed
    NOT_LOADED    this Redis does not know the site in this epoch; nothing changed
]]
-- include: now_ms
-- include: loaded_schedule
-- include: running_hold
-- include: lines_of
-- include: lines_text
-- include: read_seats
-- include: keep_line
-- include: write_seats
-- include: claims_of
-- include: keep_claims
-- include: keep_hold
-- include: tell_seats

local gate_key, clock_key, feed_key = KEYS[1], KEYS[2], KEYS[4]
local keys = { due = KEYS[3], hold = KEYS[5], visitor = KEYS[6], network = KEYS[7] }
local site, epoch, hold_id, secret = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local version_seen, wanted, claims_text = tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7]
local lines = lines_of(KEYS, 8, ARGV, 8, 3, (#ARGV - 7) / 3)
local claims = claims_of(KEYS, 8 + 2 * #lines, claims_text, hold_id)

if not loaded_schedule(gate_key, epoch) then
  return { 'NOT_LOADED' }
end
local now = now_ms(clock_key)
local hold, refused = running_hold(keys.hold, secret, now, 'limit', 'renewed_from')
if not hold then
  return { refused }
end
local deadline, limit, version = hold.deadline, tonumber(hold.limit), hold.version
if version == version_seen + 1 and tonumber(hold.renewed_from or 0) == version_seen then
  return { 'RENEWED', deadline, limit, version, now }
end
if version ~= version_seen or hold.lines ~= lines_text(lines) or (hold.claims or '') ~= claims_text then
  return { 'MOVED' }
end

deadline = math.max(deadline, math.min(wanted, limit))
version = version + 1
local score = string.format('%d', deadline)
local parts = {}
for n, line in ipairs(lines) do
  local seats = read_seats(line.day_key, line.slot_id)
  keep_line(line, seats, string.format('%s:%d', hold_id, line.seats), score)
  parts[n] = write_seats(line, seats)
end
keep_claims(gate_key, claims, score, parts)
redis.call('HSET', keys.hold, 'deadline', score, 'version', string.format('%d', version),
  'renewed_from', string.format('%d', version_seen))
keep_hold(keys, site, hold_id, deadline, score)
tell_seats(feed_key, site, epoch, 'renew', hold_id, score, parts)
return { 'RENEWED', deadline, limit, version, now }
