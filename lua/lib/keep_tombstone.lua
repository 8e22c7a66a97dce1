--[[ A hold that ended in this version counts in no budget any more, and for a day is still known how it ended. ]]
local function keep_tombstone(keys, hold_id, state, version)
  redis.call('HSET', keys.hold, 'state', state, 'version', string.format('%d', version))
  redis.call('EXPIRE', keys.hold, '86400')
  redis.call('ZREM', keys.visitor, hold_id)
  redis.call('ZREM', keys.network, hold_id)
end
