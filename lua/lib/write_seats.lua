--[[ Count a slot anew, one version further, and return its part of a feed entry. A first count sets the end of the
     day's hash, a week after the day. ]]
local function write_seats(line, seats)
  local frees_ms = seats.frees_ms
  if not frees_ms then
    local first = redis.call('ZRANGE', line.slot_key, 0, 0, 'WITHSCORES')
    frees_ms = first[2] and first[2] ~= 'inf' and string.format('%d', tonumber(first[2])) or ''
  end
  seats.version = seats.version + 1
  local figures = string.format('%d:%s:%d:', seats.held, seats.booked, seats.version)
  local ends = frees_ms == '' and '' or ':' .. frees_ms
  redis.call('HSET', line.day_key, seats.field, figures .. seats.booked_version .. ends)
  if seats.untouched then
    local day = math.floor(line.starts_ms / 86400000)
    redis.call('EXPIREAT', line.day_key, string.format('%d', (day + 8) * 86400))
  end
  return line.slot_id .. ' ' .. figures .. frees_ms
end
