--[[
  change: new lines for a hold that is not being paid, as one swap. Its deadline and limit stay.

  What the hold has already does not stand in its own way. A line that stays with no more seats than before keeps them,
  whatever the capacity is by now, and may have begun. The same version and lines again get the same answer.

  KEYS[1]    gate   HASH  epoch, schedule version, state
  KEYS[2]    clock  HASH  of the partition
  KEYS[3]    feed   STREAM
  KEYS[4]    hold   HASH
  KEYS[5..]  day, slot of each line it has and of each line wanted, the diaries of its claims, then those of the
             candidates of each need

  ARGV[1]    site          key
  ARGV[2]    epoch         the caller's
  ARGV[3]    schedule      version that the capacities come from
  ARGV[4]    hold_id
  ARGV[5]    secret        hash; a hold is only changed by whoever took it
  ARGV[6]    version_seen  of the hold, by its visitor
  ARGV[7]    claims_text   of the hold, as it was read
  ARGV[8]    diaries       number of those of its claims
  ARGV[9]    random        to choose between those who are equally fit to serve
  ARGV[10]   had           number of lines it has
  ARGV[11]   count         number of lines wanted
  ARGV[12..] slot, seats, start in ms of each line it has, as they were read; slot, seats, start in ms, capacity of each
             line wanted; then the needs of these, as lib/needs_of.lua reads them

  Returns {code, ...}
    CHANGED deadline limit version now    it has the new lines, the feed has been told; or had, by this very call before
    ENDED                     it had ended before; nothing changed
    NOT_YOURS                 nothing changed
    PAYING                    its customer is paying; nothing changed
    MOVED                     its version or its lines are others by now: read again; nothing changed
    STALE_SCHEDULE version    the gate's; the capacities are older; nothing changed
    CLOSED line               number of a new line whose start has passed; nothing changed
    FULL line left            number of a line without room or people, and the seats left; nothing changed
    NOT_LOADED                this Redis does not know the site in this epoch; nothing changed
]]
-- include: now_ms
-- include: loaded_schedule
-- include: running_hold
-- include: lines_of
-- include: lines_text
-- include: read_seats
-- include: find_room
-- include: drop_line
-- include: keep_line
-- include: write_seats
-- include: claims_of
-- include: needs_of
-- include: claim_all
-- include: keep_claims
-- include: drop_claims
-- include: tell_seats

local gate_key, clock_key, feed_key, hold_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local site, epoch, schedule = ARGV[1], ARGV[2], tonumber(ARGV[3])
local hold_id, secret, version_seen = ARGV[4], ARGV[5], tonumber(ARGV[6])
local claims_text, diaries, random = ARGV[7], tonumber(ARGV[8]), tonumber(ARGV[9])
local had, count = tonumber(ARGV[10]), tonumber(ARGV[11])
local old_lines = lines_of(KEYS, 5, ARGV, 12, 3, had)
local new_lines = lines_of(KEYS, 5 + 2 * had, ARGV, 12 + 3 * had, 4, count)
local old_claims = claims_of(KEYS, 5 + 2 * had + 2 * count, claims_text, hold_id)
local needs = needs_of(KEYS, 5 + 2 * had + 2 * count + diaries, ARGV, 12 + 3 * had + 4 * count)

local gate_schedule = loaded_schedule(gate_key, epoch)
if not gate_schedule then
  return { 'NOT_LOADED' }
end
local now = now_ms(clock_key)
local hold, refused = running_hold(hold_key, secret, now, 'limit', 'changed_from')
if not hold then
  return { refused }
end
local deadline, limit, version = hold.deadline, tonumber(hold.limit), hold.version
local text = lines_text(new_lines)
if version == version_seen + 1 and tonumber(hold.changed_from or 0) == version_seen and hold.lines == text then
  return { 'CHANGED', deadline, limit, version, now }
end
if version ~= version_seen or hold.lines ~= lines_text(old_lines) or (hold.claims or '') ~= claims_text then
  return { 'MOVED' }
end
if schedule < gate_schedule then
  return { 'STALE_SCHEDULE', gate_schedule }
end

-- Slots that it has and wants are counted once. `own` is what of a slot's held seats is its own.
local counted, own = {}, {}
for _, line in ipairs(old_lines) do
  line.member = string.format('%s:%d', hold_id, line.seats)
  counted[line.slot_id] = read_seats(line.day_key, line.slot_id)
  own[line.slot_id] = redis.call('ZSCORE', line.slot_key, line.member) and line.seats
end
for n, line in ipairs(new_lines) do
  local mine = own[line.slot_id] or 0
  counted[line.slot_id] = counted[line.slot_id] or read_seats(line.day_key, line.slot_id)
  line.dropped = {}
  if line.seats > mine then
    if line.starts_ms <= now then
      return { 'CLOSED', n }
    end
    local seats, left = counted[line.slot_id], nil
    line.dropped, left = find_room(line, { held = seats.held - mine, booked = seats.booked }, now)
    if not line.dropped then
      return { 'FULL', n, left }
    end
  end
end
local new_claims, new_text, lack = claim_all(needs, new_lines, hold_id, now, { [hold_id] = true }, random)
if not new_claims then
  return { 'FULL', lack.line, lack.left }
end

local score = string.format('%d', deadline)
local touched, parts = {}, {}
for _, line in ipairs(old_lines) do
  drop_line(line, counted[line.slot_id], line.member)
  touched[line.slot_id] = line
end
for _, line in ipairs(new_lines) do
  for _, member in ipairs(line.dropped) do
    drop_line(line, counted[line.slot_id], member)
  end
  keep_line(line, counted[line.slot_id], string.format('%s:%d', hold_id, line.seats), score)
  touched[line.slot_id] = nil
  parts[#parts + 1] = write_seats(line, counted[line.slot_id])
end
for _, line in ipairs(old_lines) do
  if touched[line.slot_id] then
    parts[#parts + 1] = write_seats(line, counted[line.slot_id])
  end
end
drop_claims(gate_key, old_claims, parts)
keep_claims(gate_key, new_claims, score, parts)
version = version + 1
redis.call('HSET', hold_key, 'lines', text, 'claims', new_text, 'version', string.format('%d', version),
  'changed_from', string.format('%d', version_seen))
tell_seats(feed_key, site, epoch, 'change', hold_id, score, parts)
return { 'CHANGED', deadline, limit, version, now }
