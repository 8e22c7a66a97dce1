--[[ Note when a hold is due, and until when it counts in the budgets of its visitor and network. ]]
local function keep_hold(keys, site, hold_id, due_ms, score)
  redis.call('ZADD', keys.due, string.format('%d', due_ms), site .. '/' .. hold_id)
  redis.call('ZADD', keys.visitor, score, hold_id)
  redis.call('ZADD', keys.network, score, hold_id)
end
