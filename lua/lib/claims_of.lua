--[[ The claims of a hold, from its text "<claimed>:<slot>:<from>:<until>:<seats> ...", one for each diary they stand in:
     a diary is of one UTC day, and a claim stands in those of all days that it touches. ]]
local function claims_of(keys, first_key, text, hold_id)
  local claims, key = {}, first_key
  for claimed, slot_id, from_ms, until_ms, seats in string.gmatch(text, '([^: ]+):([^:]+):(%d+):(%d+):(%d+)') do
    for _ = math.floor(from_ms / 86400000), math.floor((until_ms - 1) / 86400000) do
      local member = string.format('%s:%s:%s:%s:%s', hold_id, slot_id, from_ms, until_ms, seats)
      claims[#claims + 1] = { diary_key = keys[key], member = member, slot_id = slot_id, until_ms = tonumber(until_ms) }
      key = key + 1
    end
  end
  return claims
end
