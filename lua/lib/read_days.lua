--[[ What is taken of the slots on these days, as read_seats has it, but each day is read once for all of them. A slot
     whose count is gone or makes no sense has no version, and is not counted: that is for the audit to mend. ]]
local function read_days(days)
  for _, day in ipairs(days) do
    local kept = redis.call('HMGET', day.day_key, unpack(day.fields))
    for n, slot in ipairs(day.slots) do
      local held
      held, slot.booked, slot.version, slot.booked_version = string.match(kept[n] or '', '^(%d+):(%d+):(%d+):(%d+)')
      slot.held = tonumber(held or 0)
    end
  end
end
