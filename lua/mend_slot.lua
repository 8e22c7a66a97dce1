#!lua flags=allow-oom
--[[
  mend_slot: make one slot of a living site count what its holds and the store say. No hold ends, and no gate closes.

  Whoever looked found something wrong, perhaps a moment ago: what is right by now stays as it is. Booked is taken from
  the store where that is news, or where nothing has been told since Redis was read, before the store was: then the
  store is right, also if it counts less, as after a backup was put back.

  KEYS[1]    gate   HASH  epoch, schedule version, state
  KEYS[2]    clock  HASH  of the partition
  KEYS[3]    feed   STREAM
  KEYS[4]    day    HASH
  KEYS[5]    slot   ZSET  every live line of the slot -> deadline, +inf when pinned
  KEYS[6..]  hold of each line in doubt

  ARGV[1]    site            key
  ARGV[2]    epoch           the caller's
  ARGV[3]    slot_id
  ARGV[4]    starts_ms
  ARGV[5]    booked          as the store counts
  ARGV[6]    booked_version  the store's
  ARGV[7]    seen_version    booked_version as read here before the store was asked
  ARGV[8..]  hold id and seats of each line in doubt

  Returns {code, ...}
    RIGHT mended  the slot counts right; mended is 1 if it did not before, and then the feed has been told
    NOT_LOADED    this Redis does not know the site in this epoch; nothing changed
]]
-- include: now_ms
-- include: loaded_schedule
-- include: read_seats
-- include: write_seats
-- include: seats_of_line
-- include: tell_seats

local gate_key, clock_key, feed_key = KEYS[1], KEYS[2], KEYS[3]
local site, epoch = ARGV[1], ARGV[2]
local day_key, slot_key = KEYS[4], KEYS[5]
local slot_id, starts_ms = ARGV[3], tonumber(ARGV[4])
local booked, booked_version, seen_version = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local doubted = {}
for n = 1, (#ARGV - 7) / 2 do
  doubted[n] = { hold_key = KEYS[5 + n], hold_id = ARGV[6 + 2 * n], seats = ARGV[7 + 2 * n] }
end
local line = { day_key = day_key, slot_key = slot_key, slot_id = slot_id, starts_ms = starts_ms }

if not loaded_schedule(gate_key, epoch) then
  return { 'NOT_LOADED' }
end

local now = now_ms(clock_key)
local field = string.match(slot_id, 'T(.+)$')
local kept = redis.call('HGET', day_key, field) or ''
if kept ~= '' and not string.match(kept, '^%d+:%d+:%d+:%d+:?%d*$') then
  redis.call('HDEL', day_key, field)
end
local mended = 0
for _, one in ipairs(doubted) do
  local member = string.format('%s:%s', one.hold_id, one.seats)
  local hold = redis.call('HMGET', one.hold_key, 'state', 'lines', 'deadline')
  local is_live = hold[1] == 'held' or hold[1] == 'paying'
  local score
  if is_live and seats_of_line(hold[2], slot_id) == one.seats then
    score = hold[1] == 'paying' and 'inf' or hold[3]
  end
  -- Past its deadline a line may be there until the sweep, or be dropped already for somebody else: both are right.
  local is_over = score and score ~= 'inf' and tonumber(score) <= now
  if not is_over and (redis.call('ZSCORE', slot_key, member) or nil) ~= score then
    mended = 1
    if score then
      redis.call('ZADD', slot_key, score, member)
    else
      redis.call('ZREM', slot_key, member)
    end
  end
end

local seats = read_seats(day_key, slot_id)
if seats.untouched then
  -- Its count is gone, and with it its version: it goes on from the second of today, which no count of changes reaches,
  -- so whoever remembers what it was believes what it is.
  seats.version = math.floor(now / 1000)
end
local held = 0
for _, member in ipairs(redis.call('ZRANGE', slot_key, 0, -1)) do
  held = held + tonumber(string.match(member, ':(%d+)$'))
end
if held ~= tonumber(seats.held) then
  seats.held, mended = held, 1
end
local kept_version = tonumber(seats.booked_version)
local is_other = booked ~= tonumber(seats.booked) or booked_version ~= kept_version
if booked_version > kept_version or (is_other and kept_version == seen_version) then
  seats.booked, seats.booked_version, mended = booked, booked_version, 1
end
local first = redis.call('ZRANGE', slot_key, 0, 0, 'WITHSCORES')[2]
local frees_ms = first and first ~= 'inf' and first or ''
if kept ~= '' and seats.frees_ms ~= frees_ms then
  mended = 1
end

if mended == 1 then
  seats.frees_ms = nil
  tell_seats(feed_key, site, epoch, 'mend', '', '', { write_seats(line, seats) })
end
return { 'RIGHT', mended }
