--[[ Whether a budget has as many live holds as it may have. Most have few enough even with those that have expired. ]]
local function is_spent(budget_key, most, now)
  return redis.call('ZCARD', budget_key) >= most
    and redis.call('ZCOUNT', budget_key, string.format('(%d', now), '+inf') >= most
end
