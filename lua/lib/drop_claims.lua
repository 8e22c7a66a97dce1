--[[ Take claims out of their diaries: whoever was claimed is free. ]]
local function drop_claims(claims)
  for _, claim in ipairs(claims) do
    redis.call('ZREM', claim.diary_key, claim.member)
  end
end
