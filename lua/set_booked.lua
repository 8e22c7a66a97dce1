#!lua flags=allow-oom
--[[
  set_booked: after a cancellation or a repair, what the store counts as booked; the newest version of each slot wins.

  KEYS[1]    gate     HASH  epoch, schedule version, state
  KEYS[2]    feed     STREAM
  KEYS[3..]  day, slot of each slot

  ARGV[1]    site     key
  ARGV[2]    epoch    the caller's
  ARGV[3..]  slot, booked, version, start in ms of each slot

  Returns {code}
    SET           what was news is written, the feed has been told
    NOT_LOADED    this Redis does not know the site in this epoch; nothing changed
]]
-- include: loaded_schedule
-- include: read_seats
-- include: write_seats
-- include: set_booked_of
-- include: tell_seats

local gate_key, feed_key = KEYS[1], KEYS[2]
local site, epoch = ARGV[1], ARGV[2]
local lines = {}
for n = 1, (#ARGV - 2) / 4 do
  lines[n] = {
    day_key = KEYS[1 + 2 * n],
    slot_key = KEYS[2 + 2 * n],
    slot_id = ARGV[4 * n - 1],
    booked = tonumber(ARGV[4 * n]),
    booked_version = tonumber(ARGV[4 * n + 1]),
    starts_ms = tonumber(ARGV[4 * n + 2]),
  }
end

if not loaded_schedule(gate_key, epoch) then
  return { 'NOT_LOADED' }
end

local parts = {}
for _, line in ipairs(lines) do
  local seats = read_seats(line.day_key, line.slot_id)
  if set_booked_of(line, seats) then
    parts[#parts + 1] = write_seats(line, seats)
  end
end
if #parts > 0 then
  tell_seats(feed_key, site, epoch, 'set_booked', '', '', parts)
end
return { 'SET' }
