--[[
  sweep: end holds that are due, and name the pinned ones that should have been resolved by now.

  The caller has read some holds that looked due, with their lines; this decides. A hold whose lines are others by now
  stays due and is met again.

  KEYS[1]    clock    HASH  of the partition
  KEYS[2]    due      ZSET  site/hold -> deadline, or resolve-by when pinned
  KEYS[3]    feed     STREAM
  KEYS[4..]  gate, hold, visitor, network, day, slot of each line, and the diaries of its claims, of each hold

  ARGV[1]    retry_ms  a pinned hold is named again after so long, and does not stand before the others until then
  ARGV[2..]  site, hold_id, claims, number of diaries, number of lines, and slot, seats, start in ms of each line, of
             each hold

  Returns {now, ended, next_due, ...}
    now        in ms
    ended      how many holds it ended; the feed has been told of each
    next_due   of the partition, in ms, or empty
    then       "site/hold" of each pinned hold past its resolve-by; it stays pinned
]]
-- include: now_ms
-- include: lines_of
-- include: lines_text
-- include: claims_of
-- include: drop_claims
-- include: give_back
-- include: end_hold
-- include: tell_seats

local clock_key, due_key, feed_key = KEYS[1], KEYS[2], KEYS[3]
local retry_ms = tonumber(ARGV[1])
local holds = {}
local key, arg = 4, 2
while ARGV[arg] do
  local hold = { site = ARGV[arg], id = ARGV[arg + 1], ref = ARGV[arg] .. '/' .. ARGV[arg + 1] }
  hold.gate_key = KEYS[key]
  hold.keys = { due = due_key, hold = KEYS[key + 1], visitor = KEYS[key + 2], network = KEYS[key + 3] }
  hold.claims_text = ARGV[arg + 2]
  local diaries, count = tonumber(ARGV[arg + 3]), tonumber(ARGV[arg + 4])
  hold.lines = lines_of(KEYS, key + 4, ARGV, arg + 5, 3, count)
  hold.claims = claims_of(KEYS, key + 4 + 2 * count, hold.claims_text, hold.id)
  key, arg = key + 4 + 2 * count + diaries, arg + 5 + 3 * count
  holds[#holds + 1] = hold
end

local epochs = {}
local function end_due(hold, version)
  local parts = give_back(hold.lines, hold.id)
  drop_claims(hold.claims, parts)
  end_hold(hold.keys, hold.site, hold.id, 'expired', version + 1)
  epochs[hold.site] = epochs[hold.site] or redis.call('HGET', hold.gate_key, 'epoch') or '0'
  tell_seats(feed_key, hold.site, epochs[hold.site], 'expire', hold.id, '', parts)
end

local now = now_ms(clock_key)
local ended, overdue = 0, {}
for _, hold in ipairs(holds) do
  local score = redis.call('ZSCORE', due_key, hold.ref)
  if score and tonumber(score) <= now then
    local read = redis.call('HMGET', hold.keys.hold, 'state', 'lines', 'claims', 'version')
    if read[1] == 'paying' then
      redis.call('ZADD', due_key, 'XX', string.format('%d', now + retry_ms), hold.ref)
      overdue[#overdue + 1] = hold.ref
    elseif read[1] ~= 'held' then
      redis.call('ZREM', due_key, hold.ref)
    elseif read[2] == lines_text(hold.lines) and (read[3] or '') == hold.claims_text then
      end_due(hold, read[4])
      ended = ended + 1
    end
  end
end

local first = redis.call('ZRANGE', due_key, 0, 0, 'WITHSCORES')
local reply = { now, ended, first[2] and string.format('%d', tonumber(first[2])) or '' }
for n, ref in ipairs(overdue) do
  reply[3 + n] = ref
end
return reply
