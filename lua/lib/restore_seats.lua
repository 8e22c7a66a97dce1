--[[ Fields and figures of all slots of a day: of those that the store knows, and of those that have been counted here or
     have lines, of which nothing is booked then. Their versions go on from what was counted. ]]
local function restore_seats(day)
  local versions, fields, is_done = {}, {}, {}
  local function restore(field, booked, booked_version)
    local held, ends = '0', ''
    if day.lines[field] then
      local frees_ms
      held, frees_ms = count_lines(day.lines[field])
      ends = frees_ms == '' and '' or ':' .. frees_ms
    end
    is_done[field] = true
    fields[#fields + 1] = field
    fields[#fields + 1] = held .. ':' .. booked .. ':' .. (versions[field] or 0) + 1 .. ':' .. booked_version .. ends
  end

  for n = 1, #day.kept, 2 do
    versions[day.kept[n]] = tonumber(string.match(day.kept[n + 1], '^%d+:%d+:(%d+):') or 0)
  end
  for field, booked, version in string.gmatch(day.booked, '(%S+) (%d+) (%d+)') do
    restore(field, booked, version)
  end
  for _, unknown in ipairs({ versions, day.lines }) do
    for field in pairs(unknown) do
      if not is_done[field] then
        restore(field, '0', '0')
      end
    end
  end
  return fields
end
