--[[ Put a line into its slot, or move its deadline. Held rises only here, by membership: a line is counted once. ]]
local function keep_line(line, seats, member, score)
  if redis.call('ZADD', line.slot_key, 'NX', score, member) == 1 then
    seats.held = seats.held + line.seats
  else
    redis.call('ZADD', line.slot_key, 'XX', score, member)
  end
end
