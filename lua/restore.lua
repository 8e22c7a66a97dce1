#!lua flags=allow-oom
--[[
  restore: some days of a rebuild. Booked is what the store says, whatever stood here, in whatever version, and nothing
  where the store says nothing; held is counted anew from the lines. The feed is told nothing: open tells it to read
  everything.

  It also says that the rebuild lives, for one more takeover time; without any day, that is all it does.

  KEYS[1]    gate   HASH  state, whose rebuild and until when
  KEYS[2]    clock  HASH  of the partition
  KEYS[3..]  day, and the lines of those of its slots that have some, of each day

  ARGV[1]    rebuilder    id of this rebuild
  ARGV[2]    takeover_ms  after so long without a sign another may take over
  ARGV[3..]  day as in the ids of its slots, number of slots with lines, end of the hash in s, and in one text field,
             booked and version of each slot that the store knows, of each day

  Returns {code, ...}
    RESTORED count   so many slots of these days count right
    UNCOUNTED slots  these count as held, but their lines were not given: again with those, too; nothing changed
    NOT_YOURS        the rebuild is another's by now; nothing changed
]]
-- include: now_ms
-- include: count_lines
-- include: restore_seats

local gate_key, clock_key = KEYS[1], KEYS[2]
local rebuilder, takeover_ms = ARGV[1], tonumber(ARGV[2])
local days = {}
local key, arg = 3, 3
while ARGV[arg] do
  local day = { day_key = KEYS[key], id = ARGV[arg], ends_s = ARGV[arg + 2], booked = ARGV[arg + 3], lines = {} }
  local count = tonumber(ARGV[arg + 1])
  for n = 1, count do
    day.lines[string.match(KEYS[key + n], 'T([^T]+)$')] = KEYS[key + n]
  end
  key, arg = key + count + 1, arg + 4
  days[#days + 1] = day
end

local gate = redis.call('HMGET', gate_key, 'state', 'rebuilder')
if gate[1] ~= 'REBUILDING' or gate[2] ~= rebuilder then
  return { 'NOT_YOURS' }
end
local uncounted = {}
for _, day in ipairs(days) do
  day.kept = redis.call('HGETALL', day.day_key)
  for n = 1, #day.kept, 2 do
    if not day.lines[day.kept[n]] and string.sub(day.kept[n + 1], 1, 2) ~= '0:' then
      uncounted[#uncounted + 1] = day.id .. 'T' .. day.kept[n]
    end
  end
end
if #uncounted > 0 then
  return { 'UNCOUNTED', uncounted }
end

redis.call('HSET', gate_key, 'until_ms', string.format('%d', now_ms(clock_key) + takeover_ms))
local count = 0
for _, day in ipairs(days) do
  local fields = restore_seats(day)
  for at = 1, #fields, 1000 do
    redis.call('HSET', day.day_key, unpack(fields, at, math.min(at + 999, #fields)))
  end
  if #day.kept == 0 then
    redis.call('EXPIREAT', day.day_key, day.ends_s)
  end
  count = count + #fields / 2
end
return { 'RESTORED', count }
