--[[ An id of the feed after all that has been told, and before all that will be; nothing stands there. ]]
local function place_in_feed(feed_key)
  local id = redis.call('XADD', feed_key, '*', 'place', '')
  redis.call('XDEL', feed_key, id)
  return id
end
