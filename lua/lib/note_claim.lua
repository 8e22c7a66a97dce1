--[[ Count a change of a diary, and return its part of a feed entry: "@<claimed>:<day> <count> <member> <score>", the
     score empty where the claim has gone. The count stands in the diary itself, as a member that no deadline is as old
     as: so whoever reads a diary also reads how many changes are in it. ]]
local function note_claim(claim, score)
  local count = redis.call('ZINCRBY', claim.diary_key, '1', '#')
  return string.format('@%s %s %s %s', string.match(claim.diary_key, ':diary:(.+)$'), count, claim.member, score)
end
