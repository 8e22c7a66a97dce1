--[[ Let a member of a set have this score, or be none without one. 1 where it had not been so. Where `any` score will
     do, it is left alone: the sweep puts off pins that it has named. ]]
local function mend_member(set_key, member, score, any)
  local kept = redis.call('ZSCORE', set_key, member) or nil
  if kept == score or (any and kept and score) then
    return 0
  end
  if score then
    redis.call('ZADD', set_key, score, member)
  else
    redis.call('ZREM', set_key, member)
  end
  return 1
end
