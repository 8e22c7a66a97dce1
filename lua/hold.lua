--[[
  hold: set seats of some slots aside for one visitor, all lines or none.

  The first call with an id decides; the same id, secret and lines again get the same hold. Expired lines that stand
  in the way are dropped, no more than needed: a late sweep never makes a slot look full.

  KEYS[1]    gate     HASH  epoch, schedule version, state
  KEYS[2]    clock    HASH  of the partition
  KEYS[3]    due      ZSET  site/hold -> deadline
  KEYS[4]    feed     STREAM
  KEYS[5]    hold     HASH  created here
  KEYS[6]    visitor  ZSET  live holds of the visitor -> deadline
  KEYS[7]    network  ZSET  live holds of the network -> deadline
  KEYS[8..]  day, slot of each line, then the diaries of the candidates of each need

  ARGV[1]    site         key
  ARGV[2]    epoch        the caller's
  ARGV[3]    schedule     version that the capacities come from
  ARGV[4]    hold_id
  ARGV[5]    secret       hash
  ARGV[6]    length_ms    how long the hold lasts
  ARGV[7]    limit_ms     how far it can be renewed, from now
  ARGV[8]    visitor      hash
  ARGV[9]    network      hash
  ARGV[10]   visitor_max  live holds a visitor may have
  ARGV[11]   network_max  live holds a network may have
  ARGV[12]   random       to choose between those who are equally fit to serve
  ARGV[13]   instead_of   claims of bookings that are being moved, "<hold>:<slot> ...": they do not stand in the way
  ARGV[14]   count        of lines
  ARGV[15..] slot, seats, start in ms, capacity of each line, then the needs, as lib/needs_of.lua reads them

  Returns {code, ...}
    HELD deadline limit version now    seats are set aside, the feed has been told; or were, by this very call before
    PAYING resolve_by limit version now    they were, and its customer is paying by now; nothing changed
    ID_CONFLICT                        the id was used with another secret or other lines; nothing changed
    ENDED                              this hold was given and has ended; nothing changed
    STALE_SCHEDULE version             the gate's; the capacities are older; nothing changed
    CLOSED line                        number of a line whose start has passed; nothing changed
    LIMIT whose                        `visitor` or `network` has enough live holds; nothing changed
    FULL line left                     number of a line without room or people, and the seats left; nothing changed
    NOT_LOADED                         this Redis does not know the site in this epoch; nothing changed
]]
-- include: now_ms
-- include: loaded_schedule
-- include: lines_of
-- include: lines_text
-- include: is_spent
-- include: read_seats
-- include: find_room
-- include: drop_line
-- include: keep_line
-- include: needs_of
-- include: named_claims
-- include: claim_all
-- include: keep_claims
-- include: write_seats
-- include: keep_hold
-- include: tell_seats
-- include: tell_schedule

local gate_key, clock_key, feed_key = KEYS[1], KEYS[2], KEYS[4]
local keys = { due = KEYS[3], hold = KEYS[5], visitor = KEYS[6], network = KEYS[7] }
local site, epoch, schedule = ARGV[1], ARGV[2], tonumber(ARGV[3])
local hold_id, secret = ARGV[4], ARGV[5]
local length_ms, limit_ms = tonumber(ARGV[6]), tonumber(ARGV[7])
local visitor, network = ARGV[8], ARGV[9]
local visitor_max, network_max = tonumber(ARGV[10]), tonumber(ARGV[11])
local random, instead_of, count = tonumber(ARGV[12]), ARGV[13], tonumber(ARGV[14])
local lines = lines_of(KEYS, 8, ARGV, 15, 4, count)
local needs = needs_of(KEYS, 8 + 2 * count, ARGV, 15 + 4 * count)

local gate_schedule = loaded_schedule(gate_key, epoch)
if not gate_schedule then
  return { 'NOT_LOADED' }
end
local now = now_ms(clock_key)
local text = lines_text(lines)
if redis.call('EXISTS', keys.hold) == 1 then
  local hold = redis.call('HMGET', keys.hold, 'state', 'secret', 'lines', 'deadline', 'limit', 'version', 'resolve_by')
  if hold[2] ~= secret or hold[3] ~= text then
    return { 'ID_CONFLICT' }
  end
  if hold[1] == 'paying' then
    return { 'PAYING', tonumber(hold[7]), tonumber(hold[5]), tonumber(hold[6]), now }
  end
  if hold[1] == 'held' and now < tonumber(hold[4]) then
    return { 'HELD', tonumber(hold[4]), tonumber(hold[5]), tonumber(hold[6]), now }
  end
  return { 'ENDED' }
end

if schedule < gate_schedule then
  return { 'STALE_SCHEDULE', gate_schedule }
end
for n, line in ipairs(lines) do
  if line.starts_ms <= now then
    return { 'CLOSED', n }
  end
end
local alive = string.format('(%d', now)
if is_spent(keys.visitor, visitor_max, alive) then
  return { 'LIMIT', 'visitor' }
end
if is_spent(keys.network, network_max, alive) then
  return { 'LIMIT', 'network' }
end
local left
for n, line in ipairs(lines) do
  line.counted = read_seats(line.day_key, line.slot_id)
  line.dropped, left = find_room(line, line.counted, now)
  if not line.dropped then
    return { 'FULL', n, left }
  end
end
local claims, claims_text, lack = claim_all(needs, lines, hold_id, now, named_claims(instead_of), random)
if not claims then
  return { 'FULL', lack.line, lack.left }
end

local deadline, limit = now + length_ms, now + limit_ms
local score = string.format('%d', deadline)
local parts = {}
for n, line in ipairs(lines) do
  for _, member in ipairs(line.dropped) do
    drop_line(line, line.counted, member)
  end
  keep_line(line, line.counted, string.format('%s:%d', hold_id, line.seats), score)
  parts[n] = write_seats(line, line.counted)
end
redis.call('HSET', keys.hold, 'state', 'held', 'secret', secret, 'lines', text, 'deadline', score,
  'limit', string.format('%d', limit), 'version', '1', 'visitor', visitor, 'network', network)
if claims[1] then
  keep_claims(gate_key, claims, score, parts)
  redis.call('HSET', keys.hold, 'claims', claims_text)
end
keep_hold(keys, site, hold_id, deadline, score)
if schedule > gate_schedule then
  redis.call('HSET', gate_key, 'schedule', string.format('%d', schedule))
  tell_schedule(feed_key, site, epoch, 'settled', schedule)
end
tell_seats(feed_key, site, epoch, 'hold', hold_id, score, parts)
return { 'HELD', deadline, limit, 1, now }
