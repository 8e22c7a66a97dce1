--[[ Take a line out of its slot. Held falls only here, by membership: a line is dropped once, whoever gets here first. ]]
local function drop_line(line, seats, member)
  if redis.call('ZREM', line.slot_key, member) == 1 then
    seats.held = seats.held - tonumber(string.match(member, ':(%d+)$'))
    seats.frees_ms = nil
  end
end
