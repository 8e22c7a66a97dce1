--[[ The claims that are named "<hold>:<slot> <hold>:<slot> ...", as a set. ]]
local function named_claims(text)
  local names = {}
  for name in string.gmatch(text, '[^ ]+') do
    names[name] = true
  end
  return names
end
