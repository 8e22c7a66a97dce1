--[[
  hold: set seats of some slots aside for visitors who ask in the same moment, for each of them all lines or none.

  They are decided one after the other, as if each had come alone; then what they changed is written, a slot that
  several of them want only once, and told in one entry of the feed. The first call with an id decides; the same id,
  secret and lines again get the same hold. Expired lines that stand in the way are dropped, no more than needed: a late
  sweep never makes a slot look full.

  This is what a site is asked most when seats go on sale, and half of its time is Lua's, not Redis's: so what few
  holds need is included only where one does, and what is done once is no function.

  KEYS[1]    gate     HASH  epoch, schedule version, state
  KEYS[2]    clock    HASH  of the partition
  KEYS[3]    due      ZSET  site/hold -> deadline
  KEYS[4]    feed     STREAM
  KEYS[5..]  hold HASH created here, visitor and network ZSET live holds -> deadline, and day and slot of each line; of
             each hold; then the diaries of the candidates of each need

  ARGV[1]    site         key
  ARGV[2]    epoch        the caller's
  ARGV[3]    schedule     version that the capacities come from
  ARGV[4]    length_ms    how long a hold lasts
  ARGV[5]    limit_ms     how far it can be renewed, from now
  ARGV[6]    visitor_max  live holds a visitor may have
  ARGV[7]    network_max  live holds a network may have
  ARGV[8]    count        of holds, which have different ids
  ARGV[9..]  id, hash of the secret, hashes of visitor and network, number of lines, and slot, seats, start in ms and
             capacity of each line; of each hold; where slots need somebody, it is one hold only, and then also random,
             to choose between those who are equally fit to serve, claims of bookings that are being moved,
             "<hold>:<slot> ...": they do not stand in the way, and the needs, as lib/needs_of.lua reads them

  Returns of each hold {code, ...}
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
-- include: write_seats
-- include: tell_seats

local gate_key, clock_key, due_key, feed_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local site, epoch, schedule, length_ms, limit_ms = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local visitor_max, network_max, count = ARGV[6], ARGV[7], ARGV[8]
-- What is only added or subtracted stays in digits: Lua reads them for a sum in half the time that `tonumber` takes.
local holds, key, arg = { nil }, 5, 9
for n = 1, count do
  local hold_id, text = ARGV[arg], nil
  local hold = {
    nil, -- its lines
    id = hold_id,
    secret = ARGV[arg + 1],
    visitor = ARGV[arg + 2],
    network = ARGV[arg + 3],
    hold_key = KEYS[key],
    visitor_key = KEYS[key + 1],
    network_key = KEYS[key + 2],
    text = '',
  }
  for at = 1, ARGV[arg + 4] do
    local slot_id, seats = ARGV[arg + 5], ARGV[arg + 6]
    hold[at] = {
      day_key = KEYS[key + 3],
      slot_key = KEYS[key + 4],
      slot_id = slot_id,
      seats = tonumber(seats),
      starts_ms = ARGV[arg + 7],
      capacity = ARGV[arg + 8],
      member = hold_id .. ':' .. seats,
    }
    text = (text and text .. ' ' or '') .. slot_id .. ':' .. seats
    key, arg = key + 2, arg + 4
  end
  hold.text = text
  holds[n] = hold
  key, arg = key + 3, arg + 5
end
local needs, random, instead_of = nil, ARGV[arg], ARGV[arg + 1]
if random then
  -- include: needs_of
  needs = needs_of(KEYS, key, ARGV, arg + 2)
end

local gate_schedule = loaded_schedule(gate_key, epoch)
if not gate_schedule then
  for n = 1, #holds do
    holds[n] = { 'NOT_LOADED' }
  end
  return holds
end
local now = now_ms(clock_key)
local deadline, limit = now + length_ms, now + limit_ms
local score = string.format('%d', deadline)
local answers, ids, shared, spent = { nil }, nil, nil, nil
if #holds > 1 then
  shared, spent = {}, {} -- seats of each slot, and how many of these holds each budget has
end

for n = 1, #holds do
  local hold = holds[n]
  local hold_key, visitor_key, network_key = hold.hold_key, hold.visitor_key, hold.network_key
  -- One question for three: each key counts as often as it is named, so the sum says which of them there are.
  local known = redis.call('EXISTS', network_key, visitor_key, visitor_key, hold_key, hold_key, hold_key, hold_key)
  local by_visitor, by_network = spent and spent[visitor_key], spent and spent[network_key]
  local answer
  if known >= 4 then
    local kept = redis.call('HMGET', hold_key, 'state', 'secret', 'lines', 'deadline', 'limit', 'version', 'resolve_by')
    if kept[2] ~= hold.secret or kept[3] ~= hold.text then
      answer = { 'ID_CONFLICT' }
    elseif kept[1] == 'paying' then
      answer = { 'PAYING', tonumber(kept[7]), tonumber(kept[5]), tonumber(kept[6]), now }
    elseif kept[1] == 'held' and now < tonumber(kept[4]) then
      answer = { 'HELD', tonumber(kept[4]), tonumber(kept[5]), tonumber(kept[6]), now }
    else
      answer = { 'ENDED' }
    end
  elseif schedule - gate_schedule < 0 then
    answer = { 'STALE_SCHEDULE', gate_schedule }
  else
    for at = 1, #hold do
      if hold[at].starts_ms - now <= 0 then
        answer = { 'CLOSED', at }
        break
      end
    end
    if (known > 0 or by_visitor or by_network) and not answer then
      -- include: is_spent
      if (known >= 2 or by_visitor) and is_spent(visitor_key, visitor_max - (by_visitor or 0), now) then
        answer = { 'LIMIT', 'visitor' }
      elseif (known % 2 == 1 or by_network) and is_spent(network_key, network_max - (by_network or 0), now) then
        answer = { 'LIMIT', 'network' }
      end
    end
    for at = 1, answer and 0 or #hold do
      local line = hold[at]
      local seats = shared and shared[line.slot_id]
      if not seats then
        seats = read_seats(line.day_key, line.slot_id)
        if shared then
          shared[line.slot_id] = seats
          redis.call('ZCARD', line.slot_key) -- a key that is no slot ends the script here, where nothing is written yet
        end
      end
      line.counted = seats
      if seats.held + seats.booked + line.seats - line.capacity > 0 then
        -- include: find_room
        local left
        line.dropped, left = find_room(line, seats, now)
        if not line.dropped then
          answer = { 'FULL', at, left }
          break
        end
      end
    end
    if needs and not answer then
      -- include: named_claims
      -- include: claim_all
      local lack
      hold.claims, hold.claims_text, lack = claim_all(needs, hold, hold.id, now, named_claims(instead_of), tonumber(random))
      if not hold.claims then
        answer = { 'FULL', lack.line, lack.left }
      end
    end
  end

  if answer then
    holds[n] = false
  else
    -- Nothing is written before all of them are decided; those that follow meet this one in what is counted here.
    for at = 1, #hold do
      local line = hold[at]
      local seats = line.counted
      if line.dropped then
        local leaving = seats.leaving or {}
        for _, member in ipairs(line.dropped) do
          leaving[#leaving + 1] = member
          seats.held = seats.held - string.match(member, ':(%d+)$')
        end
        seats.leaving, seats.passed, seats.frees_ms = leaving, #leaving, nil
      end
      seats.held = seats.held + line.seats
      local coming = seats.coming
      if coming then
        coming[#coming + 1] = score
        coming[#coming + 1] = line.member
      else
        seats.coming = { score, line.member }
      end
    end
    if spent then
      spent[visitor_key], spent[network_key] = (by_visitor or 0) + 1, (by_network or 0) + 1
    end
    ids = ids and ids .. ',' .. hold.id or hold.id
    answer = { 'HELD', deadline, limit, 1, now }
  end
  answers[n] = answer
end
if not ids then
  return answers
end

local parts = { nil }
for n = 1, #holds do
  local hold = holds[n]
  if hold then
    for at = 1, #hold do
      local line = hold[at]
      local seats = line.counted
      local coming = seats.coming
      if coming then
        seats.coming = nil
        if seats.leaving and seats.leaving[1] then
          seats.held = math.max(0, seats.held)
          redis.call('ZREM', line.slot_key, unpack(seats.leaving))
        end
        if redis.call('ZADD', line.slot_key, unpack(coming)) * 2 < #coming then
          -- include: count_lines
          seats.held, seats.frees_ms = count_lines(line.slot_key)
        elseif seats.frees_ms and (seats.frees_ms == '' or score - seats.frees_ms < 0) then
          seats.frees_ms = score
        end
        parts[#parts + 1] = write_seats(line, seats)
      end
    end
    redis.call('HSET', hold.hold_key, 'state', 'held', 'secret', hold.secret, 'lines', hold.text, 'deadline', score,
      'limit', limit, 'version', '1', 'visitor', hold.visitor, 'network', hold.network)
    if hold.claims and hold.claims[1] then
      -- include: keep_claims
      keep_claims(gate_key, hold.claims, score, parts)
      redis.call('HSET', hold.hold_key, 'claims', hold.claims_text)
    end
    redis.call('ZADD', due_key, score, site .. '/' .. hold.id)
    redis.call('ZADD', hold.visitor_key, score, hold.id)
    redis.call('ZADD', hold.network_key, score, hold.id)
  end
end
if schedule - gate_schedule > 0 then
  -- include: tell_schedule
  redis.call('HSET', gate_key, 'schedule', string.format('%d', schedule))
  tell_schedule(feed_key, site, epoch, 'settled', schedule)
end
tell_seats(feed_key, site, epoch, 'hold', ids, score, parts)
return answers
