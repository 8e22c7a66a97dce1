-- include: claims_in
--[[ How many seats a candidate can still serve in this slot, and how many claims there are of them on that day. Somebody
     may serve a slot for several holds, as far as the seats go, and never two slots at once. What has expired counts no
     more, nor what is `ours`, by "<hold>" or "<hold>:<slot>". ]]
local function room_with(candidate, need, slot_id, alive, ours, read)
  local is_counted, room, bookings = {}, need.each, 0
  for _, diary_key in ipairs(candidate.diary_keys) do
    for _, claim in ipairs(claims_in(diary_key, alive, read)) do
      local is_ours = ours[claim.of_hold] or ours[claim.of_slot]
      if not is_ours and not is_counted[claim.member] then
        is_counted[claim.member] = true
        if claim.from_ms >= need.day_from_ms and claim.from_ms < need.day_until_ms then
          bookings = bookings + 1
        end
        if claim.from_ms < need.until_ms and claim.until_ms > need.from_ms then
          room = room - (claim.slot_id == slot_id and claim.seats or need.each)
        end
      end
    end
  end
  return room, bookings
end
