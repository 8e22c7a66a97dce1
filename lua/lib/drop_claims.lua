-- include: note_claim
--[[ Take claims out of their diaries: whoever was claimed is free. Adds to `parts` what to tell the feed. What is booked
     stays, for only the store frees it: a hold that is taken again after it was booked, as this Redis had forgotten it,
     may end and has the same claims. ]]
local function drop_claims(gate_key, claims, parts)
  for _, claim in ipairs(claims) do
    local score = redis.call('ZSCORE', claim.diary_key, claim.member)
    if score and tonumber(score) ~= 4000000000000000 then
      redis.call('ZREM', claim.diary_key, claim.member)
      parts[#parts + 1] = note_claim(gate_key, claim, '')
    end
  end
end
