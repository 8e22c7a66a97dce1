--[[ Lines that keys and arguments name: day and slot, and slot, seats, start in ms and, where four, capacity. ]]
local function lines_of(keys, first_key, args, first_arg, each, count)
  local lines = {}
  for n = 1, count do
    local key, arg = first_key + 2 * (n - 1), first_arg + each * (n - 1)
    lines[n] = {
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
