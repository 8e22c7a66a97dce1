--[[
  restore: one chunk of a rebuild. Booked is what the store says, whatever stood here, and in whatever version; held is
  counted anew from the lines. The feed is told nothing: open tells it to read everything.

  KEYS[1]    gate  HASH  state and whose rebuild
  KEYS[2..]  day, and slot of each of its slots, of each day

  ARGV[1]    rebuilder  id of this rebuild
  ARGV[2..]  number of slots, end of the hash in s, and field, booked, version of each slot, of each day

  Returns {code}
    RESTORED      the slots count right
    NOT_YOURS     the rebuild is another's by now; nothing changed
]]
-- include: count_lines

local gate_key = KEYS[1]
local rebuilder = ARGV[1]
local days = {}
local key, arg = 2, 2
while ARGV[arg] do
  local day = { day_key = KEYS[key], ends_s = ARGV[arg + 1], fields = {}, booked = {}, slot_keys = {} }
  local count = tonumber(ARGV[arg])
  day.first_slot_key = KEYS[key + 1]
  for n = 1, count do
    day.slot_keys[n] = KEYS[key + n]
    day.fields[n] = ARGV[arg + 3 * n - 1]
    day.booked[n] = { ARGV[arg + 3 * n], ARGV[arg + 3 * n + 1] }
  end
  key, arg = key + count + 1, arg + 3 * count + 2
  days[#days + 1] = day
end

local gate = redis.call('HMGET', gate_key, 'state', 'rebuilder')
if gate[1] ~= 'REBUILDING' or gate[2] ~= rebuilder then
  return { 'NOT_YOURS' }
end

for _, day in ipairs(days) do
  local is_new = redis.call('EXISTS', day.day_key) == 0
  local kept = is_new and {} or redis.call('HMGET', day.day_key, unpack(day.fields))
  local has_lines = redis.call('EXISTS', day.first_slot_key, unpack(day.slot_keys, 2)) > 0
  local written = {}
  for n, field in ipairs(day.fields) do
    local version = kept[n] and string.match(kept[n], '^%d+:%d+:(%d+):') or 0
    local held, frees_ms = 0, ''
    if has_lines then
      held, frees_ms = count_lines(day.slot_keys[n])
    end
    local booked = day.booked[n]
    written[2 * n - 1] = field
    local ends = frees_ms == '' and '' or ':' .. frees_ms
    written[2 * n] = string.format('%d:%s:%d:%s%s', held, booked[1], version + 1, booked[2], ends)
  end
  redis.call('HSET', day.day_key, unpack(written))
  if is_new then
    redis.call('EXPIREAT', day.day_key, day.ends_s)
  end
end
return { 'RESTORED' }
