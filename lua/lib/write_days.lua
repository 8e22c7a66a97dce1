--[[ Write what was counted anew of the slots of these days, each day once for all of them. ]]
local function write_days(days)
  for _, day in ipairs(days) do
    local written = {}
    for field, seats in pairs(day.changed) do
      local ends = seats.frees_ms == '' and '' or ':' .. seats.frees_ms
      written[#written + 1] = field
      written[#written + 1] = seats.figures .. seats.booked_version .. ends
    end
    if written[1] then
      redis.call('HSET', day.day_key, unpack(written))
    end
  end
end
