--[[ The present instant of the partition, in milliseconds. It never goes back: where the machine's clock did, the
     difference goes into the offset. This is the one thing written before a refusal, for a refusal was an instant too. ]]
local function now_ms(clock_key)
  local kept = redis.call('HMGET', clock_key, 'offset', 'seen')
  local offset, seen = tonumber(kept[1] or 0), tonumber(kept[2] or 0)
  local time = redis.call('TIME')
  local machine = time[1] * 1000 + math.floor(time[2] / 1000)
  if machine < seen then
    offset = offset + seen - machine
    redis.call('HSET', clock_key, 'offset', string.format('%d', offset), 'seen', string.format('%d', machine))
  elseif machine > seen then
    redis.call('HSET', clock_key, 'seen', string.format('%d', machine))
  end
  return machine + offset
end
