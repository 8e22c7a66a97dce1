#!lua flags=allow-oom
--[[
  mend_claim: let a diary say of one claim, which no booking in the store has, what its hold says: a live one claims
  what it names, any other nothing.

  Whoever looked has read the hold before the store. If the hold is another version by now, it may have been booked
  since then, and the claim stays as it is.

  KEYS[1]  gate   HASH  epoch, schedule version, state
  KEYS[2]  clock  HASH  of the partition
  KEYS[3]  feed   STREAM
  KEYS[4]  diary  ZSET  in which the claim stands or should stand
  KEYS[5]  hold   HASH

  ARGV[1]  site          key
  ARGV[2]  epoch         the caller's
  ARGV[3]  hold_id
  ARGV[4]  member        the claim as it stands in the diary
  ARGV[5]  seen_version  of the hold, empty where there was none
  ARGV[6]  text          the claim as the hold names it, empty where none can name it in this diary
  ARGV[7]  until_ms      its end

  Returns {code, ...}
    RIGHT mended  the diary says so; mended is 1 if it did not before, and then the feed has been told
    NOT_LOADED    this Redis does not know the site in this epoch; nothing changed
]]
-- include: now_ms
-- include: loaded_schedule
-- include: keep_claims
-- include: free_claims
-- include: tell_seats

local gate_key, clock_key, feed_key, diary_key, hold_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local site, epoch, hold_id = ARGV[1], ARGV[2], ARGV[3]
local member, seen_version, text, until_ms = ARGV[4], ARGV[5], ARGV[6], tonumber(ARGV[7])
local claim = { diary_key = diary_key, member = member, until_ms = until_ms }

if not loaded_schedule(gate_key, epoch) then
  return { 'NOT_LOADED' }
end
local hold = redis.call('HMGET', hold_key, 'state', 'version', 'claims', 'deadline')
if (hold[2] or '') ~= seen_version then
  return { 'RIGHT', 0 }
end

local score
local is_named = text ~= '' and string.find(' ' .. (hold[3] or '') .. ' ', ' ' .. text .. ' ', 1, true)
if is_named and hold[1] == 'paying' then
  score = '+inf'
elseif is_named and hold[1] == 'held' then
  score = hold[4]
  if tonumber(score) <= now_ms(clock_key) then
    return { 'RIGHT', 0 } -- until the sweep
  end
end
local kept = redis.call('ZSCORE', diary_key, member)
local parts = {}
if score and not (kept and tonumber(kept) == tonumber(score)) then
  redis.call('ZREM', diary_key, member) -- also where it says that it is booked: the store knows nothing of it
  keep_claims(gate_key, { claim }, score, parts)
elseif kept and not score and text == '' then
  redis.call('ZREM', diary_key, member) -- nobody can have heard of it
  return { 'RIGHT', 1 }
elseif kept and not score then
  free_claims(gate_key, { claim }, parts)
end
if #parts > 0 then
  tell_seats(feed_key, site, epoch, 'mend', hold_id, '', parts)
end
local mended = #parts
return { 'RIGHT', mended }
