--[[ What remains of a hold that ended in this version: a tombstone of a day that still knows how it ended, and nothing
     elsewhere. ]]
local function end_hold(keys, site, hold_id, state, version)
  redis.call('HSET', keys.hold, 'state', state, 'version', string.format('%d', version))
  redis.call('EXPIRE', keys.hold, '86400')
  redis.call('ZREM', keys.due, site .. '/' .. hold_id)
  redis.call('ZREM', keys.visitor, hold_id)
  redis.call('ZREM', keys.network, hold_id)
end
