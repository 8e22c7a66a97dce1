--[[
  restore: one chunk of a rebuild. Booked is what the store says, whatever stood here, and in whatever version; held is
  counted anew from the lines. The feed is told nothing: open tells it to read everything.

  KEYS[1]    gate  HASH  state and whose rebuild
  KEYS[2..]  day, slot of each slot

  ARGV[1]    rebuilder  id of this rebuild
  ARGV[2..]  slot, booked, version, start in ms of each slot

  Returns {code}
    RESTORED      the slots count right
    NOT_YOURS     the rebuild is another's by now; nothing changed
]]
-- include: read_seats
-- include: write_seats

local gate_key = KEYS[1]
local rebuilder = ARGV[1]
local lines = {}
for n = 1, (#KEYS - 1) / 2 do
  lines[n] = {
    day_key = KEYS[2 * n],
    slot_key = KEYS[2 * n + 1],
    slot_id = ARGV[4 * n - 2],
    booked = tonumber(ARGV[4 * n - 1]),
    booked_version = tonumber(ARGV[4 * n]),
    starts_ms = tonumber(ARGV[4 * n + 1]),
  }
end

local gate = redis.call('HMGET', gate_key, 'state', 'rebuilder')
if gate[1] ~= 'REBUILDING' or gate[2] ~= rebuilder then
  return { 'NOT_YOURS' }
end

for _, line in ipairs(lines) do
  local seats = read_seats(line.day_key, line.slot_id)
  seats.booked, seats.booked_version, seats.held, seats.frees_ms = line.booked, line.booked_version, 0, nil
  for _, member in ipairs(redis.call('ZRANGE', line.slot_key, 0, -1)) do
    seats.held = seats.held + tonumber(string.match(member, ':(%d+)$'))
  end
  write_seats(line, seats)
end
return { 'RESTORED' }
