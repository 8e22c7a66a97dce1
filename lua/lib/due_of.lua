-- include: lines_on
-- include: claims_of
--[[ Holds that keys and arguments name, site by site, and the days of their slots: each day once for all holds. ]]
local function due_of(keys, key, args, arg)
  local holds, days = {}, {}
  while args[arg] do
    local site, by_name = { name = args[arg], gate_key = keys[key] }, {}
    local day_count, hold_count = tonumber(args[arg + 1]), tonumber(args[arg + 2])
    key, arg = key + 1, arg + 3
    for _ = 1, day_count do
      local day = { day_key = keys[key], fields = {} }
      by_name[args[arg]], days[#days + 1] = day, day
      key, arg = key + 1, arg + 1
    end
    for _ = 1, hold_count do
      local hold = { site = site, id = args[arg], lines_text = args[arg + 1], claims_text = args[arg + 2] }
      hold.keys = { hold = keys[key], visitor = keys[key + 1], network = keys[key + 2] }
      hold.lines, key = lines_on(by_name, keys, key + 3, hold)
      hold.claims = claims_of(keys, key, hold.claims_text, hold.id)
      key, arg = key + #hold.claims, arg + 3
      holds[#holds + 1] = hold
    end
  end
  return holds, days
end
