--[[ The hold of a visitor who says what only they know, as long as it runs: some of its fields, by name. Else nil, and
     why not: ENDED, NOT_YOURS or PAYING; to its owner also the state in which it ended. ]]
local function running_hold(hold_key, secret, now, ...)
  local names = { 'state', 'secret', 'deadline', 'version', 'lines', 'claims', ... }
  local kept, hold = redis.call('HMGET', hold_key, unpack(names)), {}
  for n, name in ipairs(names) do
    hold[name] = kept[n] or nil
  end
  if hold.state and hold.secret ~= secret then
    return nil, 'NOT_YOURS'
  end
  if hold.state == 'paying' then
    return nil, 'PAYING'
  end
  hold.deadline, hold.version = tonumber(hold.deadline or 0), tonumber(hold.version or 0)
  if hold.state ~= 'held' or hold.deadline <= now then
    return nil, 'ENDED', hold.state
  end
  return hold
end
