--[[ Take the lines that are leaving out of their slot, all at once, and say whether there were any. Held falls by
     membership, as with drop_line, and never below nothing: a count that makes no sense, as it is less than the seats of
     its lines, is for the audit to mend, and one that nobody can read would be in the way of every verb until then.
     Where some had gone before, nobody says which, and what remains is counted. ]]
local function drop_lines(slot)
  local dropped = slot.leaving[1] and redis.call('ZREM', slot.slot_key, unpack(slot.leaving)) or 0
  if dropped == #slot.leaving then
    slot.held = math.max(0, slot.held - slot.leaving_seats)
  elseif dropped > 0 then
    slot.held = 0
    for _, member in ipairs(redis.call('ZRANGE', slot.slot_key, 0, -1)) do
      slot.held = slot.held + string.match(member, ':(%d+)$')
    end
  end
  return dropped > 0
end
