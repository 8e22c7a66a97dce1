-- include: drop_lines
--[[ Let the lines that are leaving slots on these days go, count those slots anew, one version further, and add what to
     tell the feed to the parts of their sites. Each day is written once for all of them. ]]
local function write_days(days)
  for _, day in ipairs(days) do
    local written, parts = {}, day.site.parts
    for _, slot in ipairs(day.slots) do
      if drop_lines(slot) and slot.version then
        local first = redis.call('ZRANGE', slot.slot_key, 0, 0, 'WITHSCORES')
        local frees_ms = first[2] and first[2] ~= 'inf' and string.format('%d', tonumber(first[2])) or ''
        local figures = string.format('%d:%s:%d:', slot.held, slot.booked, slot.version + 1)
        written[#written + 1] = slot.field
        written[#written + 1] = figures .. slot.booked_version .. (frees_ms == '' and '' or ':' .. frees_ms)
        parts[#parts + 1] = slot.id .. ' ' .. figures .. frees_ms
      end
    end
    if written[1] then
      redis.call('HSET', day.day_key, unpack(written))
    end
  end
end
