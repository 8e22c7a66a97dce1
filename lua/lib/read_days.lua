--[[ What is taken of the slots that the days name, as read_seats has it, but each day is read once for all of them. A
     slot whose count is gone or makes no sense is not counted here either: that is for the audit to mend. ]]
local function read_days(days)
  for _, day in ipairs(days) do
    day.seats, day.changed = {}, {}
    local kept = redis.call('HMGET', day.day_key, unpack(day.fields))
    for n, field in ipairs(day.fields) do
      local held, booked, version, rest = string.match(kept[n] or '', '^(%d+):(%d+):(%d+):(%d+)')
      if held then
        day.seats[field] =
          { held = tonumber(held), booked = booked, version = tonumber(version), booked_version = rest }
      end
    end
  end
end
