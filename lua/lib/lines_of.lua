--[[ The lines that keys and arguments name: day and slot, and slot, seats, start in ms and, where four, capacity. ]]
local function lines_of(keys, first_key, args, first_arg, each)
  local lines = {}
  for key = first_key, #keys, 2 do
    local arg = first_arg + (key - first_key) / 2 * each
    lines[#lines + 1] = {
      day_key = keys[key],
      slot_key = keys[key + 1],
      slot_id = args[arg],
      seats = tonumber(args[arg + 1]),
      starts_ms = tonumber(args[arg + 2]),
      capacity = each == 4 and tonumber(args[arg + 3]),
    }
  end
  return lines
end
