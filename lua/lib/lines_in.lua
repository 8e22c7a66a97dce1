--[[ The slots and seats in the text of a hold's lines. Each text is taken apart once for its site: those that end together
     often have the same. ]]
local function lines_in(site, text)
  local lines = site.lines[text]
  if not lines then
    lines = {}
    for slot_id, seats in string.gmatch(text, '([^ ]+):(%d+)') do
      lines[#lines + 1] = { slot = site.slots[slot_id], seats = tonumber(seats), suffix = ':' .. seats }
    end
    site.lines[text] = lines
  end
  return lines
end
