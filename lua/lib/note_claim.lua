--[[ Count a change of a diary, and return its part of a feed entry: "@<claimed>:<day> <count> <member> <score>", the
     score empty where the claim has gone. The count stands in the diary itself, as a member that no deadline is as old
     as: so whoever reads a diary also reads how many changes are in it. A new one counts on from all changes that the
     site ever had: if it was there before and was lost, whoever remembers that one still takes this for newer. ]]
local function note_claim(gate_key, claim, score)
  local of_site = redis.call('HINCRBY', gate_key, 'claims', 1)
  local count = tonumber(redis.call('ZINCRBY', claim.diary_key, '1', '#'))
  if count == 1 then
    count = of_site
    redis.call('ZADD', claim.diary_key, string.format('%d', count), '#')
  end
  local diary = string.match(claim.diary_key, '.*:diary:(.+)$')
  return string.format('@%s %d %s %s', diary, count, claim.member, score)
end
