-- include: note_claim
--[[ Take claims out of their diaries, booked ones, too: the store says that nobody is busy with them any more. ]]
local function free_claims(gate_key, claims, parts)
  for _, claim in ipairs(claims) do
    if redis.call('ZREM', claim.diary_key, claim.member) == 1 then
      parts[#parts + 1] = note_claim(gate_key, claim, '')
    end
  end
end
