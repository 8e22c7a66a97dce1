--[[ Put a line into its slot, or move its deadline. Held rises here, and in hold, by membership: a line is counted once. ]]
local function keep_line(line, seats, member, score)
  if redis.call('ZADD', line.slot_key, score, member) == 0 then
    seats.frees_ms = nil
    return
  end
  seats.held = seats.held + line.seats
  if score ~= '+inf' and seats.frees_ms and (seats.frees_ms == '' or score - seats.frees_ms < 0) then
    seats.frees_ms = score
  end
end
