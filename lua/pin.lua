--[[
  pin: confirmation or payment begins. The hold no longer expires by itself; it is to be resolved by some instant.

  Of a hold that expired meanwhile exactly the missing lines are taken again, all or none, and whoever serves them is
  looked for anew. A line that is still there keeps its seats whatever the capacity is by now, and may have begun: its
  visitor took it in time.

  KEYS[1]    gate     HASH  epoch, schedule version, state
  KEYS[2]    clock    HASH  of the partition
  KEYS[3]    due      ZSET  site/hold -> resolve-by
  KEYS[4]    feed     STREAM
  KEYS[5]    hold     HASH
  KEYS[6]    visitor  ZSET  live holds of the visitor; pinned ones never end in it
  KEYS[7]    network  ZSET  live holds of the network, likewise
  KEYS[8..]  day, slot of each line, in the order of the lines, then the diaries of its claims, then those of the
             candidates of each need

  ARGV[1]    site       key
  ARGV[2]    epoch      the caller's
  ARGV[3]    schedule   version that the capacities come from
  ARGV[4]    hold_id
  ARGV[5]    secret     hash; a hold is only paid by whoever took it
  ARGV[6]    visitor    hash, of the hold, as it was read
  ARGV[7]    network    hash, likewise: a hold counts in the budgets it was taken with, wherever its customer is now
  ARGV[8]    attempt    token: the same again gets the same answer
  ARGV[9]    window_ms  payment window
  ARGV[10]   pins_max   times that a hold may be pinned
  ARGV[11]   claims_text  of the hold, as it was read
  ARGV[12]   diaries    number of those of its claims
  ARGV[13]   random     to choose between those who are equally fit to serve
  ARGV[14]   instead_of claims of bookings that are being moved, "<hold>:<slot> ...": they do not stand in the way
  ARGV[15]   count      of lines
  ARGV[16..] slot, seats, start in ms, capacity of each line, as they were read, then the needs

  Returns {code, ...}
    PINNED fence resolve_by now    it waits for the payment, the feed has been told; or did, by this very attempt before
    ENDED                          released, booked, or expired too long ago; nothing changed
    NOT_YOURS                      nothing changed
    PAYING                         it is pinned by another attempt; nothing changed
    MOVED                          its lines, or its budgets, are others: read again; nothing changed
    STALE_SCHEDULE version         the gate's; the capacities are older; nothing changed
    LIMIT                          it was pinned often enough; nothing changed
    CLOSED line                    number of a missing line whose start has passed; nothing changed
    FULL line left                 number of a missing line without room or people, and the seats left; nothing changed
    NOT_LOADED                     this Redis does not know the site in this epoch; nothing changed
]]
-- include: now_ms
-- include: loaded_schedule
-- include: lines_of
-- include: lines_text
-- include: read_seats
-- include: find_room
-- include: drop_line
-- include: keep_line
-- include: claims_of
-- include: needs_of
-- include: named_claims
-- include: claim_all
-- include: keep_claims
-- include: drop_claims
-- include: write_seats
-- include: keep_hold
-- include: tell_seats

local gate_key, clock_key, feed_key = KEYS[1], KEYS[2], KEYS[4]
local keys = { due = KEYS[3], hold = KEYS[5], visitor = KEYS[6], network = KEYS[7] }
local site, epoch, schedule = ARGV[1], ARGV[2], tonumber(ARGV[3])
local hold_id, secret, visitor, network, attempt = ARGV[4], ARGV[5], ARGV[6], ARGV[7], ARGV[8]
local window_ms, pins_max = tonumber(ARGV[9]), tonumber(ARGV[10])
local claims_text, diaries, random, instead_of = ARGV[11], tonumber(ARGV[12]), tonumber(ARGV[13]), ARGV[14]
local count = tonumber(ARGV[15])
local lines = lines_of(KEYS, 8, ARGV, 16, 4, count)
local claims = claims_of(KEYS, 8 + 2 * count, claims_text, hold_id)
local needs = needs_of(KEYS, 8 + 2 * count + diaries, ARGV, 16 + 4 * count)

local gate_schedule = loaded_schedule(gate_key, epoch)
if not gate_schedule then
  return { 'NOT_LOADED' }
end
local now = now_ms(clock_key)
local hold = redis.call('HMGET', keys.hold, 'state', 'secret', 'lines', 'limit', 'version', 'attempt', 'fence',
  'resolve_by', 'pins', 'claims', 'deadline', 'visitor', 'network')
local state = hold[1]
if not state then
  return { 'ENDED' }
end
if hold[2] ~= secret then
  return { 'NOT_YOURS' }
end
local has_others = hold[3] ~= lines_text(lines)
if state == 'paying' and hold[6] == attempt then
  if has_others then  -- confirmations that cost nothing have one token for all: this may be another one
    return { 'MOVED' }
  end
  return { 'PINNED', tonumber(hold[7]), tonumber(hold[8]), now }
end
if state == 'paying' then
  return { 'PAYING' }
end
if state ~= 'held' and state ~= 'expired' then
  return { 'ENDED' }
end
if has_others or (hold[10] or '') ~= claims_text or hold[12] ~= visitor or hold[13] ~= network then
  return { 'MOVED' }
end
if schedule < gate_schedule then
  return { 'STALE_SCHEDULE', gate_schedule }
end
local resolve_by = math.min(now, tonumber(hold[4])) + window_ms
if resolve_by <= now then
  return { 'ENDED' }
end
local pins = tonumber(hold[9] or 0) + 1
if pins > pins_max then
  return { 'LIMIT' }
end
local left
for n, line in ipairs(lines) do
  line.member = string.format('%s:%d', hold_id, line.seats)
  line.counted = read_seats(line.day_key, line.slot_id)
  line.dropped = {}
  if not redis.call('ZSCORE', line.slot_key, line.member) then
    if line.starts_ms <= now then
      return { 'CLOSED', n }
    end
    line.dropped, left = find_room(line, line.counted, now)
    if not line.dropped then
      return { 'FULL', n, left }
    end
  end
end
local found, lack = claims, nil
if tonumber(hold[11]) <= now then
  local ours = named_claims(instead_of)
  ours[hold_id] = true
  found, claims_text, lack = claim_all(needs, lines, hold_id, now, ours, random)
  if not found then
    return { 'FULL', lack.line, lack.left }
  end
end

local fence = tonumber(hold[7] or 0) + 1
local parts = {}
for n, line in ipairs(lines) do
  for _, member in ipairs(line.dropped) do
    drop_line(line, line.counted, member)
  end
  keep_line(line, line.counted, line.member, '+inf')
  parts[n] = write_seats(line, line.counted)
end
if found ~= claims then
  drop_claims(gate_key, claims, parts)
  redis.call('HSET', keys.hold, 'claims', claims_text)
end
keep_claims(gate_key, found, '+inf', parts)
redis.call('PERSIST', keys.hold)
redis.call('HSET', keys.hold, 'state', 'paying', 'attempt', attempt, 'fence', string.format('%d', fence),
  'resolve_by', string.format('%d', resolve_by), 'window', string.format('%d', window_ms),
  'pins', string.format('%d', pins), 'version', string.format('%d', tonumber(hold[5]) + 1))
keep_hold(keys, site, hold_id, resolve_by, '+inf')
tell_seats(feed_key, site, epoch, 'pin', hold_id, string.format('%d', resolve_by), parts)
return { 'PINNED', fence, resolve_by, now }
