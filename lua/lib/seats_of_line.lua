--[[ The seats, as written, that a hold of these lines has in a slot; nil where it has none. ]]
local function seats_of_line(lines, slot_id)
  for id, seats in string.gmatch(lines or '', '(%S+):(%d+)') do
    if id == slot_id then
      return seats
    end
  end
  return nil
end
