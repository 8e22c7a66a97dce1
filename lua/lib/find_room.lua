--[[ Whether a slot has room for a line: the expired lines that must go for it, or nil and the seats that are left.
     `seats.passed`: so many of the expired ones go for others already. ]]
local function find_room(line, seats, now)
  local lacking = seats.held + seats.booked + line.seats - line.capacity
  if lacking <= 0 then
    return {}
  end
  -- Each line has a seat at least, so no more lines than seats need to be looked at.
  local expired = redis.call('ZRANGEBYSCORE', line.slot_key, '-inf', string.format('%d', now),
    'LIMIT', seats.passed or 0, string.format('%d', lacking))
  local dropped = {}
  for n, member in ipairs(expired) do
    if lacking > 0 then
      dropped[n] = member
      lacking = lacking - tonumber(string.match(member, ':(%d+)$'))
    end
  end
  if lacking <= 0 then
    return dropped
  end
  return nil, math.max(0, line.seats - lacking)
end
