--[[
  sweep: end holds that are due, and name the pinned ones that should have been resolved by now.

  The caller has read some holds that looked due, with their lines; this decides. A hold whose lines are others by now
  stays due and is met again.

  KEYS[1]    clock    HASH  of the partition
  KEYS[2]    due      ZSET  site/hold -> deadline, or resolve-by when pinned
  KEYS[3]    feed     STREAM
  KEYS[4..]  gate, the days of all slots, and hold, visitor, network, slot of each line, and the diaries of its claims,
             of each hold; of each site

  ARGV[1]    retry_ms  a pinned hold is named again after so long, and does not stand before the others until then
  ARGV[2..]  site, number of days, number of holds, what the ids of each day's slots have before their T, and id, lines
             and claims of each hold; of each site

  Returns {now, ended, next_due, ...}
    now        in ms
    ended      how many holds it ended; the feed has been told of each
    next_due   of the partition, in ms, or empty
    then       "site/hold" of each pinned hold past its resolve-by; it stays pinned
]]
-- include: now_ms
-- include: due_of
-- include: read_days
-- include: free_lines
-- include: write_days
-- include: drop_claims
-- include: keep_tombstone
-- include: tell_seats

local clock_key, due_key, feed_key = KEYS[1], KEYS[2], KEYS[3]
local retry_ms = tonumber(ARGV[1])
local holds, days = due_of(KEYS, 4, ARGV, 2)

local function end_due(hold, version)
  local parts, site = free_lines(hold), hold.site
  drop_claims(site.gate_key, hold.claims, parts)
  keep_tombstone(hold.keys, hold.id, 'expired', version + 1)
  site.epoch = site.epoch or redis.call('HGET', site.gate_key, 'epoch') or '0'
  tell_seats(feed_key, site.name, site.epoch, 'expire', hold.id, '', parts)
end

local now = now_ms(clock_key)
local refs, ended, over, overdue = {}, 0, {}, {}
for n, hold in ipairs(holds) do
  refs[n] = hold.site.name .. '/' .. hold.id
end
local scores = refs[1] and redis.call('ZMSCORE', due_key, unpack(refs))
read_days(days)
for n, hold in ipairs(holds) do
  local score = scores[n]
  if score and tonumber(score) <= now then
    local read = redis.call('HMGET', hold.keys.hold, 'state', 'lines', 'claims', 'version')
    if read[1] == 'paying' then
      redis.call('ZADD', due_key, 'XX', string.format('%d', now + retry_ms), refs[n])
      overdue[#overdue + 1] = refs[n]
    elseif read[1] ~= 'held' then
      over[#over + 1] = refs[n]
    elseif read[2] == hold.lines_text and (read[3] or '') == hold.claims_text then
      end_due(hold, read[4])
      over[#over + 1] = refs[n]
      ended = ended + 1
    end
  end
end
write_days(days)
if over[1] then
  redis.call('ZREM', due_key, unpack(over))
end

local first = redis.call('ZRANGE', due_key, 0, 0, 'WITHSCORES')
local reply = { now, ended, first[2] and string.format('%d', tonumber(first[2])) or '' }
for n, ref in ipairs(overdue) do
  reply[3 + n] = ref
end
return reply
