#!lua flags=allow-oom
--[[
  commit: the seats of a pinned hold are booked; the store has said so.

  What the store counts as booked is written, newest version first, whatever is answered about the hold, but for MOVED
  and NOT_LOADED. So a late commit makes too few seats look free for a moment at most, never too many. Whoever is claimed
  for a slot of which the store tells nothing serves no booking there, and is free again.

  KEYS[1]    gate     HASH  epoch, schedule version, state
  KEYS[2]    due      ZSET  site/hold -> resolve-by
  KEYS[3]    feed     STREAM
  KEYS[4]    hold     HASH
  KEYS[5]    visitor  ZSET  live holds of the visitor
  KEYS[6]    network  ZSET  live holds of the network
  KEYS[7..]  day, slot of each line of the hold and each slot the store tells of, then the diaries of its claims

  ARGV[1]    site     key
  ARGV[2]    epoch    the caller's
  ARGV[3]    hold_id
  ARGV[4]    fence    of the pin
  ARGV[5]    claims_text  of the hold, as it was read
  ARGV[6]    count    of slots
  ARGV[7..]  slot, seats the hold has there or 0, booked or -1 where nothing is told, version, start in ms of each slot;
             those of the hold first, in its order

  Returns {code}
    COMMITTED     the hold has become a booking, the feed has been told; or had before
    STALE         the hold is not pinned under this fence; booked is written all the same
    ENDED         there is no such hold any more, or it ended otherwise; booked is written all the same
    MOVED         the hold has other lines or claims than were read, as somebody took it just now: read it again;
                  nothing changed
    NOT_LOADED    this Redis does not know the site in this epoch; nothing changed
]]
-- include: loaded_schedule
-- include: read_seats
-- include: write_seats
-- include: set_booked_of
-- include: lines_text
-- include: drop_line
-- include: end_hold
-- include: claims_of
-- include: keep_claims
-- include: drop_claims
-- include: tell_seats

local gate_key, feed_key = KEYS[1], KEYS[3]
local keys = { due = KEYS[2], hold = KEYS[4], visitor = KEYS[5], network = KEYS[6] }
local site, epoch, hold_id, fence = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local claims_text, count = ARGV[5], tonumber(ARGV[6])
local claims = claims_of(KEYS, 7 + 2 * count, claims_text, hold_id)
local lines, of_hold, is_told = {}, {}, {}
for n = 1, count do
  lines[n] = {
    day_key = KEYS[5 + 2 * n],
    slot_key = KEYS[6 + 2 * n],
    slot_id = ARGV[5 * n + 2],
    seats = tonumber(ARGV[5 * n + 3]),
    booked = tonumber(ARGV[5 * n + 4]),
    booked_version = tonumber(ARGV[5 * n + 5]),
    starts_ms = tonumber(ARGV[5 * n + 6]),
  }
  is_told[lines[n].slot_id] = lines[n].booked >= 0
  if lines[n].seats > 0 then
    of_hold[n] = lines[n]
  end
end

if not loaded_schedule(gate_key, epoch) then
  return { 'NOT_LOADED' }
end
local hold = redis.call('HMGET', keys.hold, 'state', 'fence', 'version', 'claims', 'lines')
local state, ours = hold[1], hold[2] == fence
local code = 'ENDED'
if (state == 'paying' or state == 'confirmed') and ours then
  code = 'COMMITTED'
elseif state == 'paying' or state == 'held' then
  code = 'STALE'
end
local ends = state == 'paying' and ours
if ends and (hold[5] ~= lines_text(of_hold) or (hold[4] or '') ~= claims_text) then
  return { 'MOVED' }
end

local parts = {}
for _, line in ipairs(lines) do
  local seats = read_seats(line.day_key, line.slot_id)
  local held = seats.held
  local news = set_booked_of(line, seats)
  if ends then
    drop_line(line, seats, string.format('%s:%d', hold_id, line.seats))
  end
  if news or seats.held ~= held then
    parts[#parts + 1] = write_seats(line, seats)
  end
end
if ends then
  end_hold(keys, site, hold_id, 'confirmed', hold[3] + 1)
  local booked, others = {}, {}
  for _, claim in ipairs(claims) do
    table.insert(is_told[claim.slot_id] and booked or others, claim)
  end
  -- A score that no instant reaches, and another one than that of pins: this claim will not go by itself.
  keep_claims(gate_key, booked, '4000000000000000', parts)
  drop_claims(gate_key, others, parts)
end
if #parts > 0 then
  tell_seats(feed_key, site, epoch, 'commit', hold_id, '', parts)
end
return { code }
