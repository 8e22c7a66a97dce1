--[[ How many seats a candidate can still serve in this slot, and how many claims there are of them on that day. Somebody
     may serve a slot for several holds, as far as the seats go, and never two slots at once. What has expired counts no
     more, nor what is `ours`, by "<hold>" or "<hold>:<slot>"; `planned` are members of this very call. ]]
local function room_with(candidate, need, slot_id, alive, ours, planned)
  local members = {}
  for _, diary_key in ipairs(candidate.diary_keys) do
    for _, member in ipairs(redis.call('ZRANGEBYSCORE', diary_key, alive, '+inf')) do
      local claim, hold_id = string.match(member, '^(([^:]+):[^:]+)')
      members[member] = not (ours[hold_id] or ours[claim])
    end
  end
  for _, member in ipairs(planned) do
    members[member] = true
  end
  local room, bookings = need.each, 0
  for member, counts in pairs(members) do
    if counts then
      local in_slot, from_ms, until_ms, seats = string.match(member, ':([^:]+):(%d+):(%d+):(%d+)$')
      from_ms, until_ms = tonumber(from_ms), tonumber(until_ms)
      if from_ms >= need.day_from_ms and from_ms < need.day_until_ms then
        bookings = bookings + 1
      end
      if from_ms < need.until_ms and until_ms > need.from_ms then
        room = room - (in_slot == slot_id and tonumber(seats) or need.each)
      end
    end
  end
  return room, bookings
end
