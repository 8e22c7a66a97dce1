--[[ The lines of a hold, from its text "<slot>:<seats> ...", each noted on the day of its slot, and the next key. ]]
local function lines_on(days, keys, key, hold)
  local lines = {}
  for slot_id, name, field, seats in string.gmatch(hold.lines_text, '(([^ T]+)T([^ :]+)):(%d+)') do
    local day = days[name]
    day.fields[#day.fields + 1] = field
    lines[#lines + 1] =
      { day = day, field = field, slot_key = keys[key], slot_id = slot_id, member = hold.id .. ':' .. seats }
    key = key + 1
  end
  return lines, key
end
