--[[ Take a line out of its slot. Held falls only here, by membership: a line is dropped once, whoever gets here first.
     Of a slot whose count is gone, as its day was over a week ago, nothing is left to fall. ]]
local function drop_line(line, seats, member)
  if redis.call('ZREM', line.slot_key, member) == 1 then
    seats.held = math.max(0, seats.held - string.match(member, ':(%d+)$'))
    seats.frees_ms = nil
  end
end
