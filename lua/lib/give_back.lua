-- include: read_seats
-- include: write_seats
-- include: drop_line
--[[ Drop all lines of a hold and return what to tell the feed of their slots. ]]
local function give_back(lines, hold_id)
  local parts = {}
  for _, line in ipairs(lines) do
    local seats = read_seats(line.day_key, line.slot_id)
    local held = seats.held
    drop_line(line, seats, string.format('%s:%d', hold_id, line.seats))
    if seats.held ~= held then
      parts[#parts + 1] = write_seats(line, seats)
    end
  end
  return parts
end
