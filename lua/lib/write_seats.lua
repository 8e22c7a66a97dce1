--[[ Count a slot anew, one version further, and return its part of a feed entry. A first count sets the end of the
     day's hash, a week after the day. ]]
local function write_seats(line, seats)
  local first = redis.call('ZRANGE', line.slot_key, 0, 0, 'WITHSCORES')
  local frees_ms = ''
  if first[2] and first[2] ~= 'inf' then
    frees_ms = string.format('%d', tonumber(first[2]))
  end
  seats.version = seats.version + 1
  local held, booked, version = seats.held, seats.booked, seats.version
  redis.call('HSET', line.day_key, seats.field,
    string.format('%d:%d:%d:%d:%s', held, booked, version, seats.booked_version, frees_ms))
  if seats.untouched then
    local day = math.floor(line.starts_ms / 86400000)
    redis.call('EXPIREAT', line.day_key, string.format('%d', (day + 8) * 86400))
  end
  return string.format('%s %d:%d:%d:%s', line.slot_id, held, booked, version, frees_ms)
end
