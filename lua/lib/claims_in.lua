--[[ The claims that stand in a diary and have not expired. What was `read` of diaries before, and planned in them since, is
     not read again: however many lines ask who is free, nothing is written before all of them have been answered. ]]
local function claims_in(diary_key, alive, read)
  local claims = read[diary_key]
  if not claims then
    claims = {}
    for n, member in ipairs(redis.call('ZRANGEBYSCORE', diary_key, alive, '+inf')) do
      local of_slot, hold_id, slot_id, from_ms, until_ms, seats =
        string.match(member, '^(([^:]+):([^:]+)):(%d+):(%d+):(%d+)$')
      claims[n] = {
        member = member,
        of_hold = hold_id,
        of_slot = of_slot,
        slot_id = slot_id,
        from_ms = tonumber(from_ms),
        until_ms = tonumber(until_ms),
        seats = tonumber(seats),
      }
    end
    read[diary_key] = claims
  end
  return claims
end
