-- include: find_claims
--[[ The claims that serve all needs of some lines, as claims_of would read them, and their text; or nil, nil and
     the number of a line that cannot be served, with the seats that could. Nothing is written. ]]
local function claim_all(needs, lines, hold_id, now, ours, random)
  local claims, texts, read = {}, {}, {}
  for _, need in ipairs(needs) do
    local line = lines[need.line]
    local chosen, left = find_claims(need, line, string.format('(%d', now), ours, read, random)
    if not chosen then
      return nil, nil, { line = need.line, left = left }
    end
    for _, one in ipairs(chosen) do
      local name, diary_keys = one.candidate.claimed, one.candidate.diary_keys
      local what = string.format('%s:%d:%d:%d', line.slot_id, need.from_ms, need.until_ms, one.seats)
      local member = hold_id .. ':' .. what
      local planned = {
        member = member,
        slot_id = line.slot_id,
        from_ms = need.from_ms,
        until_ms = need.until_ms,
        seats = one.seats,
      }
      for at = 1, one.candidate.stands_in do
        claims[#claims + 1] = { diary_key = diary_keys[at], member = member, until_ms = need.until_ms }
        table.insert(read[diary_keys[at]], planned)
      end
      texts[#texts + 1] = name .. ':' .. what
    end
  end
  return claims, table.concat(texts, ' ')
end
