-- include: slots_on
-- include: claims_of
--[[ What keys and arguments name: sites, all their holds, and the days of their slots with those that are meant. ]]
local function due_of(keys, key, args, arg)
  local sites, holds, days = {}, {}, {}
  while args[arg] do
    local site = { name = args[arg], gate_key = keys[key], ended = {}, parts = {}, lines = {} }
    local day_count, slot_count, hold_count = args[arg + 1], args[arg + 2], args[arg + 3]
    site.slots = slots_on(site, days, keys, key + 1, args, arg + 4, day_count, slot_count)
    key, arg = key + 1 + day_count + slot_count, arg + 4 + day_count + slot_count
    for _ = 1, hold_count do
      local hold = {
        site = site,
        id = args[arg],
        lines_text = args[arg + 1],
        claims_text = args[arg + 2],
        keys = { hold = keys[key], visitor = keys[key + 1], network = keys[key + 2] },
      }
      key = key + 3
      if hold.claims_text ~= '' then
        hold.claims = claims_of(keys, key, hold.claims_text, hold.id)
        key = key + #hold.claims
      end
      holds[#holds + 1], arg = hold, arg + 3
    end
    sites[#sites + 1] = site
  end
  return sites, holds, days
end
