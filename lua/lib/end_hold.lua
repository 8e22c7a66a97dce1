-- include: keep_tombstone
--[[ What remains of a hold that ended in this version: a tombstone, and it is due no more. ]]
local function end_hold(keys, site, hold_id, state, version)
  keep_tombstone(keys, hold_id, state, version)
  redis.call('ZREM', keys.due, site .. '/' .. hold_id)
end
