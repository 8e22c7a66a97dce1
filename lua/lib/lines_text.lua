--[[ Lines as a hold keeps them: "<slot>:<seats> <slot>:<seats>". ]]
local function lines_text(lines)
  local parts = {}
  for n, line in ipairs(lines) do
    parts[n] = string.format('%s:%d', line.slot_id, line.seats)
  end
  return table.concat(parts, ' ')
end
