-- include: note_claim
--[[ Take claims out of their diaries: whoever was claimed is free. Adds to `parts` what to tell the feed. ]]
local function drop_claims(gate_key, claims, parts)
  for _, claim in ipairs(claims) do
    if redis.call('ZREM', claim.diary_key, claim.member) == 1 then
      parts[#parts + 1] = note_claim(gate_key, claim, '')
    end
  end
end
