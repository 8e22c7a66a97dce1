--[[ The schedule version of an open gate of this very epoch; nil where the site is not (yet) in this Redis. ]]
local function loaded_schedule(gate_key, epoch)
  local gate = redis.call('HMGET', gate_key, 'epoch', 'state', 'schedule')
  if gate[1] == epoch and gate[2] == 'OPEN' then
    return tonumber(gate[3])
  end
  return nil
end
