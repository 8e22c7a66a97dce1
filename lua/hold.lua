--[[
  hold: set seats of some slots aside for one visitor, all lines or none.

  The first call with an id decides; the same id, secret and lines again get the same hold. Expired lines that stand
  in the way are dropped, no more than needed: a late sweep never makes a slot look full.

  This is what a site is asked most when seats go on sale, and half of its time is Lua's, not Redis's: so what few
  holds need is included only where one does, and what is done once is no function.

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
  ARGV[12]   count        of lines
  ARGV[13..] slot, seats, start in ms, capacity of each line; where slots need somebody also random, to choose between
             those who are equally fit to serve, claims of bookings that are being moved, "<hold>:<slot> ...": they do
             not stand in the way, and the needs, as lib/needs_of.lua reads them

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
-- include: loaded_schedule
-- include: now_ms
-- include: read_seats
-- include: keep_line
-- include: write_seats
-- include: tell_seats

local gate_key, clock_key, due_key, feed_key, hold_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local visitor_key, network_key = KEYS[6], KEYS[7]
local site, epoch, schedule, hold_id, secret = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local length_ms, limit_ms, visitor, network = ARGV[6], ARGV[7], ARGV[8], ARGV[9]
local visitor_max, network_max, count = ARGV[10], ARGV[11], ARGV[12]
-- What is only added or subtracted stays in digits: Lua reads them for a sum in half the time that `tonumber` takes.
local lines, text = {}, nil
for n = 1, count do
  local slot_id, seats = ARGV[9 + 4 * n], ARGV[10 + 4 * n]
  lines[n] = {
    day_key = KEYS[6 + 2 * n],
    slot_key = KEYS[7 + 2 * n],
    slot_id = slot_id,
    seats = tonumber(seats),
    starts_ms = ARGV[11 + 4 * n],
    capacity = ARGV[12 + 4 * n],
    member = hold_id .. ':' .. seats,
  }
  text = (text and text .. ' ' or '') .. slot_id .. ':' .. seats
end
local needs, random, instead_of = nil, ARGV[13 + 4 * #lines], ARGV[14 + 4 * #lines]
if random then
  -- include: needs_of
  needs = needs_of(KEYS, 8 + 2 * #lines, ARGV, 15 + 4 * #lines)
end

local gate_schedule = loaded_schedule(gate_key, epoch)
if not gate_schedule then
  return { 'NOT_LOADED' }
end
local now = now_ms(clock_key)
-- One question for three: each key counts as often as it is named, so the sum says which of them there are.
local known = redis.call('EXISTS', network_key, visitor_key, visitor_key, hold_key, hold_key, hold_key, hold_key)
if known >= 4 then
  local hold = redis.call('HMGET', hold_key, 'state', 'secret', 'lines', 'deadline', 'limit', 'version', 'resolve_by')
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

if schedule - gate_schedule < 0 then
  return { 'STALE_SCHEDULE', gate_schedule }
end
for n = 1, #lines do
  if lines[n].starts_ms - now <= 0 then
    return { 'CLOSED', n }
  end
end
if known > 0 then
  -- include: is_spent
  if known >= 2 and is_spent(visitor_key, tonumber(visitor_max), now) then
    return { 'LIMIT', 'visitor' }
  end
  if known % 2 == 1 and is_spent(network_key, tonumber(network_max), now) then
    return { 'LIMIT', 'network' }
  end
end
for n = 1, #lines do
  local line = lines[n]
  local seats = read_seats(line.day_key, line.slot_id)
  line.counted = seats
  if seats.held + seats.booked + line.seats - line.capacity > 0 then
    -- include: find_room
    local left
    line.dropped, left = find_room(line, seats, now)
    if not line.dropped then
      return { 'FULL', n, left }
    end
  end
end
local claims, claims_text, lack
if needs then
  -- include: named_claims
  -- include: claim_all
  claims, claims_text, lack = claim_all(needs, lines, hold_id, now, named_claims(instead_of), tonumber(random))
  if not claims then
    return { 'FULL', lack.line, lack.left }
  end
end

local deadline, limit = now + length_ms, now + limit_ms
local score = string.format('%d', deadline)
local parts = {}
for n = 1, #lines do
  local line = lines[n]
  if line.dropped then
    -- include: drop_line
    for _, member in ipairs(line.dropped) do
      drop_line(line, line.counted, member)
    end
  end
  keep_line(line, line.counted, line.member, score)
  parts[n] = write_seats(line, line.counted)
end
redis.call('HSET', hold_key, 'state', 'held', 'secret', secret, 'lines', text, 'deadline', score,
  'limit', limit, 'version', '1', 'visitor', visitor, 'network', network)
if claims and claims[1] then
  -- include: keep_claims
  keep_claims(gate_key, claims, score, parts)
  redis.call('HSET', hold_key, 'claims', claims_text)
end
redis.call('ZADD', due_key, score, site .. '/' .. hold_id)
redis.call('ZADD', visitor_key, score, hold_id)
redis.call('ZADD', network_key, score, hold_id)
if schedule - gate_schedule > 0 then
  -- include: tell_schedule
  redis.call('HSET', gate_key, 'schedule', string.format('%d', schedule))
  tell_schedule(feed_key, site, epoch, 'settled', schedule)
end
tell_seats(feed_key, site, epoch, 'hold', hold_id, score, parts)
return { 'HELD', deadline, limit, 1, now }
