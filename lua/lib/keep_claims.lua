-- include: note_claim
--[[ Put claims into their diaries, or move their deadlines, and add to `parts` what to tell the feed. Like day hashes,
     diaries end a week after their day; at once, and whole, where that is over. What is booked stays booked, whatever
     becomes of a hold of the same name. ]]
local function keep_claims(gate_key, claims, score, parts)
  for _, claim in ipairs(claims) do
    local kept = redis.call('ZSCORE', claim.diary_key, claim.member)
    if not kept or tonumber(kept) ~= 4000000000000000 then
      redis.call('ZADD', claim.diary_key, score, claim.member)
      parts[#parts + 1] = note_claim(gate_key, claim, score)
      redis.call('EXPIREAT', claim.diary_key, string.format('%d', (math.floor(claim.until_ms / 86400000) + 8) * 86400))
    end
  end
end
