-- include: keep_tombstone
--[[ What remains of a hold that ended in this version: a tombstone, for a day unless said otherwise, and it is due no
     more. ]]
local function end_hold(keys, site, hold_id, state, version, known_s)
  keep_tombstone(keys, hold_id, state, version, known_s or '86400')
  redis.call('ZREM', keys.due, site .. '/' .. hold_id)
end
