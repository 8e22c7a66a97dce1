-- include: drop_line
--[[ Drop all lines of a hold, as give_back does, and return what to tell the feed of their slots. Their days have been
     read before (read_days) and are written afterwards (write_days). ]]
local function free_lines(hold)
  local parts = {}
  for _, line in ipairs(hold.lines) do
    local seats = line.day.seats[line.field] or { held = 0 }
    local held = seats.held
    drop_line(line, seats, line.member)
    if seats.held ~= held and seats.version then
      local first = redis.call('ZRANGE', line.slot_key, 0, 0, 'WITHSCORES')
      seats.frees_ms = first[2] and first[2] ~= 'inf' and string.format('%d', tonumber(first[2])) or ''
      seats.version = seats.version + 1
      seats.figures = string.format('%d:%s:%d:', seats.held, seats.booked, seats.version)
      line.day.changed[line.field] = seats
      parts[#parts + 1] = line.slot_id .. ' ' .. seats.figures .. seats.frees_ms
    end
  end
  return parts
end
