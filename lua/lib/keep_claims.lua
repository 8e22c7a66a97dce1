--[[ Put claims into their diaries, or move their deadlines. Like day hashes, diaries end a week after their day. ]]
local function keep_claims(claims, score)
  for _, claim in ipairs(claims) do
    redis.call('ZADD', claim.diary_key, score, claim.member)
    redis.call('EXPIREAT', claim.diary_key, string.format('%d', (math.floor(claim.until_ms / 86400000) + 8) * 86400))
  end
end
