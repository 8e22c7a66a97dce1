--[[ The seats of all lines of a slot, and when the first of them ends, or empty. ]]
local function count_lines(slot_key)
  local lines = redis.call('ZRANGE', slot_key, 0, -1, 'WITHSCORES')
  local held = 0
  for n = 1, #lines, 2 do
    held = held + tonumber(string.match(lines[n], ':(%d+)$'))
  end
  return held, lines[2] and lines[2] ~= 'inf' and lines[2] or ''
end
