#!lua flags=allow-oom
--[[
  restore_pin: as part of a rebuild, whoever is paying has their seats again, before anybody else can take them.

  A hold that this Redis has lost is pinned as if it were just taken; one that it has as it was before it was pinned is
  pinned. Like pin it takes exactly the lines that are missing, all or none, and claims people anew where nobody is
  claimed; but a slot may have begun, for its visitor took it in time. The feed is told nothing: open does so.

  KEYS[1]    gate     HASH  state, whose rebuild
  KEYS[2]    clock    HASH  of the partition
  KEYS[3]    due      ZSET  site/hold -> resolve-by
  KEYS[4]    hold     HASH
  KEYS[5]    visitor  ZSET  live holds of the visitor; pinned ones never end in it
  KEYS[6]    network  ZSET  live holds of the network, likewise
  KEYS[7..]  day, slot of each line, in the order of the lines, then the diaries of its claims, then those of the
             candidates of each need

  ARGV[1]    site       key
  ARGV[2]    rebuilder  id of this rebuild
  ARGV[3]    hold_id
  ARGV[4]    secret     hash
  ARGV[5]    visitor    hash
  ARGV[6]    network    hash
  ARGV[7]    attempt    token, by which it was pinned
  ARGV[8]    fence      of its pin, as the store has it
  ARGV[9]    length_ms  hold length, for one that is taken anew
  ARGV[10]   window_ms  payment window
  ARGV[11]   left_ms    of it
  ARGV[12]   claims_text  of the hold, as it was read; empty where it was not
  ARGV[13]   diaries    number of those of its claims
  ARGV[14]   random     to choose between those who are equally fit to serve
  ARGV[15]   instead_of claims of bookings that this is to move, "<hold>:<slot> ...": they do not stand in its way
  ARGV[16]   count      of lines
  ARGV[17..] slot, seats, start in ms, capacity of each line, then the needs

  Returns {code}
    PINNED       it waits for the payment; or did, by this very attempt before, under whichever fence
    GONE         seats or people that it lacks are others' by now, or it has ended, or is another's; nothing changed
    MOVED        its claims or budgets are others: read it, and again; nothing changed
    NOT_YOURS    the rebuild is another's by now; nothing changed
]]
-- include: now_ms
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

local gate_key, clock_key = KEYS[1], KEYS[2]
local keys = { due = KEYS[3], hold = KEYS[4], visitor = KEYS[5], network = KEYS[6] }
local site, rebuilder, hold_id, secret, visitor, network = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local attempt, fence = ARGV[7], ARGV[8]
local length_ms, window_ms, left_ms = tonumber(ARGV[9]), ARGV[10], tonumber(ARGV[11])
local claims_text, diaries, random, instead_of = ARGV[12], tonumber(ARGV[13]), tonumber(ARGV[14]), ARGV[15]
local count = tonumber(ARGV[16])
local lines = lines_of(KEYS, 7, ARGV, 17, 4, count)
local claims = claims_of(KEYS, 7 + 2 * count, claims_text, hold_id)
local needs = needs_of(KEYS, 7 + 2 * count + diaries, ARGV, 17 + 4 * count)

local gate = redis.call('HMGET', gate_key, 'state', 'rebuilder')
if gate[1] ~= 'REBUILDING' or gate[2] ~= rebuilder then
  return { 'NOT_YOURS' }
end
local now = now_ms(clock_key)
local hold = redis.call('HMGET', keys.hold, 'state', 'secret', 'lines', 'claims', 'visitor', 'network', 'attempt',
  'deadline', 'version', 'pins')
local state, text = hold[1], lines_text(lines)
if state == 'paying' and hold[7] == attempt then
  return { 'PINNED' }
end
if state and (state == 'released' or state == 'confirmed' or hold[2] ~= secret or hold[3] ~= text) then
  return { 'GONE' }
end
if state and ((hold[4] or '') ~= claims_text or hold[5] ~= visitor or hold[6] ~= network) then
  return { 'MOVED' }
end
for _, line in ipairs(lines) do
  line.member = string.format('%s:%d', hold_id, line.seats)
  line.counted = read_seats(line.day_key, line.slot_id)
  line.dropped = {}
  if not redis.call('ZSCORE', line.slot_key, line.member) then
    line.dropped = find_room(line, line.counted, now)
    if not line.dropped then
      return { 'GONE' }
    end
  end
end
local found = claims
if state ~= 'paying' and tonumber(hold[8] or 0) <= now then
  local ours = named_claims(instead_of)
  ours[hold_id] = true
  found, claims_text = claim_all(needs, lines, hold_id, now, ours, random)
  if not found then
    return { 'GONE' }
  end
end

local untold = {}
for _, line in ipairs(lines) do
  for _, member in ipairs(line.dropped) do
    drop_line(line, line.counted, member)
  end
  keep_line(line, line.counted, line.member, '+inf')
  write_seats(line, line.counted)
end
if found ~= claims then
  drop_claims(gate_key, claims, untold)
end
keep_claims(gate_key, found, '+inf', untold)
if state then
  redis.call('PERSIST', keys.hold)
else
  local ends = string.format('%d', now + length_ms)
  redis.call('HSET', keys.hold, 'secret', secret, 'lines', text, 'deadline', ends, 'limit', ends, 'visitor', visitor,
    'network', network)
end
if claims_text ~= '' then
  redis.call('HSET', keys.hold, 'claims', claims_text)
end
local resolve_by = now + left_ms
redis.call('HSET', keys.hold, 'state', 'paying', 'attempt', attempt, 'fence', fence,
  'resolve_by', string.format('%d', resolve_by), 'window', window_ms, 'pins', string.format('%d', (hold[10] or 0) + 1),
  'version', string.format('%d', (hold[9] or 0) + 1))
keep_hold(keys, site, hold_id, resolve_by, '+inf')
return { 'PINNED' }
