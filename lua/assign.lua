#!lua flags=allow-oom
--[[
  assign: let diaries say who serves bookings, as the store has it: some stand in them, some are freed. What is right
  stays as it is.

  A claim is named by hold and slot, and the store never takes back that one of them was freed: so it does not matter
  how late this comes, or how often.

  KEYS[1]    gate   HASH  epoch, schedule version, state and whose rebuild
  KEYS[2]    feed   STREAM
  KEYS[3..]  diary of each claim; one that touches two days is named for each of them

  ARGV[1]    site       key
  ARGV[2]    epoch      the caller's
  ARGV[3]    rebuilder  id of a rebuild under way, or empty; the feed is told nothing then, as open does so
  ARGV[4..]  member, end in ms or 0 where it is freed, of each claim

  Returns {code, ...}
    ASSIGNED mended    they say so, the feed has been told; mended is how many of the claims were not so before
    NOT_YOURS          the rebuild is another's by now; nothing changed
    NOT_LOADED         this Redis does not know the site in this epoch; nothing changed
]]
-- include: loaded_schedule
-- include: keep_claims
-- include: free_claims
-- include: tell_seats

local gate_key, feed_key = KEYS[1], KEYS[2]
local site, epoch, rebuilder = ARGV[1], ARGV[2], ARGV[3]
local standing, freed = {}, {}
for n = 1, (#ARGV - 3) / 2 do
  local claim = { diary_key = KEYS[n + 2], member = ARGV[2 * n + 2], until_ms = tonumber(ARGV[2 * n + 3]) }
  local claims = claim.until_ms > 0 and standing or freed
  claims[#claims + 1] = claim
end

if rebuilder ~= '' then
  local gate = redis.call('HMGET', gate_key, 'state', 'rebuilder')
  if gate[1] ~= 'REBUILDING' or gate[2] ~= rebuilder then
    return { 'NOT_YOURS' }
  end
elseif not loaded_schedule(gate_key, epoch) then
  return { 'NOT_LOADED' }
end

local booked = '4000000000000000'
local missing, parts = {}, {}
for _, claim in ipairs(standing) do
  local score = redis.call('ZSCORE', claim.diary_key, claim.member)
  if not score or tonumber(score) ~= tonumber(booked) then
    missing[#missing + 1] = claim
  end
end
keep_claims(gate_key, missing, booked, parts)
free_claims(gate_key, freed, parts)
local mended = #parts
if mended > 0 and rebuilder == '' then
  tell_seats(feed_key, site, epoch, 'assign', '', '', parts)
end
return { 'ASSIGNED', mended }
