--[[ A hold that ended in this version counts in no budget any more, and for so many seconds is still known how it ended. ]]
local function keep_tombstone(keys, hold_id, state, version, known_s)
  redis.call('HSET', keys.hold, 'state', state, 'version', version)
  redis.call('EXPIRE', keys.hold, known_s)
  redis.call('ZREM', keys.visitor, hold_id)
  redis.call('ZREM', keys.network, hold_id)
end
