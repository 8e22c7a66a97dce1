--[[ The present instant of the partition, in milliseconds. It never goes back: where the machine's clock did, the
     difference goes into the offset. This is the one thing written before a refusal, for a refusal was an instant too. ]]
local function now_ms(clock_key)
  local kept = redis.call('HMGET', clock_key, 'offset', 'seen')
  local offset, seen = kept[1] or 0, kept[2] or 0 -- in digits, which can be added to
  local time = redis.call('TIME')
  local machine = time[1] * 1000 + math.floor(time[2] / 1000)
  local ahead = machine - seen
  if ahead < 0 then
    offset = offset - ahead
    redis.call('HSET', clock_key, 'offset', offset, 'seen', machine)
  elseif ahead > 0 then
    redis.call('HSET', clock_key, 'seen', machine)
  end
  return machine + offset
end
