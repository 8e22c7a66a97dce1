--[[ Slots of a site by id, and each also among the slots of its day; the days come after those that there are. No line
     is leaving any of them yet. ]]
local function slots_on(site, days, keys, key, args, arg, day_count, slot_count)
  local by_name, by_id = {}, {}
  for n = 0, day_count - 1 do
    local day = { site = site, day_key = keys[key + n], fields = {}, slots = {} }
    by_name[args[arg + n]], days[#days + 1] = day, day
  end
  for n = day_count, day_count + slot_count - 1 do
    local id = args[arg + n]
    local name, field = string.match(id, '^([^T]+)T(.+)$')
    local day, slot = by_name[name], { id = id, field = field, slot_key = keys[key + n], leaving = {}, leaving_seats = 0 }
    day.fields[#day.fields + 1], day.slots[#day.slots + 1], by_id[id] = field, slot, slot
  end
  return by_id
end
