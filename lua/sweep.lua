#!lua flags=allow-oom
--[[
  sweep: end holds that are due, and name the pinned ones that should have been resolved by now.

  The caller has read some holds that looked due, with their lines; this decides. A hold whose lines are others by now
  stays due and is met again. What holds of one site leave, the feed is told in one entry, each slot once.

  KEYS[1]    clock    HASH  of the partition
  KEYS[2]    due      ZSET  site/hold -> deadline, or resolve-by when pinned
  KEYS[3]    feed     STREAM
  KEYS[4..]  gate, the days, the slots, and hold, visitor, network and the diaries of its claims, of each hold; of each
             site

  ARGV[1]    retry_ms  a pinned hold is named again after so long, and does not stand before the others until then
  ARGV[2..]  site, number of days, of slots and of holds, what the ids of each day's slots have before their T, ids of
             the slots, and id, lines and claims of each hold; of each site

  Returns {now, ended, next_due, ...}
    now        in ms
    ended      how many holds it ended; the feed has been told of each
    next_due   of the partition, in ms, or empty
    then       "site/hold" of each pinned hold past its resolve-by; it stays pinned
]]
-- include: now_ms
-- include: due_of
-- include: lines_in
-- include: read_days
-- include: write_days
-- include: drop_claims
-- include: keep_tombstone
-- include: tell_seats

local clock_key, due_key, feed_key = KEYS[1], KEYS[2], KEYS[3]
local retry_ms = tonumber(ARGV[1])
local sites, holds, days = due_of(KEYS, 4, ARGV, 2)

local function end_due(hold, version)
  local site = hold.site
  local lines = lines_in(site, hold.lines_text)
  for n = 1, #lines do
    local slot = lines[n].slot
    slot.leaving[#slot.leaving + 1] = hold.id .. lines[n].suffix
    slot.leaving_seats = slot.leaving_seats + lines[n].seats
  end
  if hold.claims then
    drop_claims(site.gate_key, hold.claims, site.parts)
  end
  keep_tombstone(hold.keys, hold.id, 'expired', version + 1, '86400')
  site.ended[#site.ended + 1] = hold.id
end

local now = now_ms(clock_key)
local over, overdue = {}, {}
read_days(days)
for _, hold in ipairs(holds) do
  local ref = hold.site.name .. '/' .. hold.id
  local read = redis.call('HMGET', hold.keys.hold, 'state', 'deadline', 'lines', 'claims', 'version')
  if read[1] == 'held' and read[2] - now > 0 then
    redis.call('ZADD', due_key, 'XX', read[2], ref)
  elseif read[1] == 'paying' then
    if tonumber(redis.call('ZSCORE', due_key, ref) or now + 1) <= now then
      redis.call('ZADD', due_key, 'XX', string.format('%d', now + retry_ms), ref)
      overdue[#overdue + 1] = ref
    end
  elseif read[1] ~= 'held' then
    over[#over + 1] = ref
  elseif read[3] == hold.lines_text and (read[4] or '') == hold.claims_text then
    end_due(hold, read[5])
    over[#over + 1] = ref
  end
end
write_days(days)
local ended = 0
for _, site in ipairs(sites) do
  if site.ended[1] then
    ended = ended + #site.ended
    local epoch = redis.call('HGET', site.gate_key, 'epoch') or '0'
    tell_seats(feed_key, site.name, epoch, 'expire', table.concat(site.ended, ','), '', site.parts)
  end
end
if over[1] then
  redis.call('ZREM', due_key, unpack(over))
end

local first = redis.call('ZRANGE', due_key, 0, 0, 'WITHSCORES')
local reply = { now, ended, first[2] and string.format('%d', tonumber(first[2])) or '' }
for n, ref in ipairs(overdue) do
  reply[3 + n] = ref
end
return reply
