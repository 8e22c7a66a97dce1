--[[ What the slots of lines need beside seats: some of these people or rooms, each for so many seats, from when to when.
     Arguments of each need: number of its line, seats each, from, until, and from, until of the day in which bookings are
     counted, all in ms; number of diaries each, and how many of them its claim stands in; number of candidates, and
     their names. Keys: the diaries of each candidate, those of the claim first. ]]
local function needs_of(keys, first_key, args, first_arg)
  local needs, key, arg = {}, first_key, first_arg
  while args[arg] do
    local need = { line = tonumber(args[arg]), each = tonumber(args[arg + 1]), candidates = {} }
    need.from_ms, need.until_ms = tonumber(args[arg + 2]), tonumber(args[arg + 3])
    need.day_from_ms, need.day_until_ms = tonumber(args[arg + 4]), tonumber(args[arg + 5])
    local diaries, stands_in, count = tonumber(args[arg + 6]), tonumber(args[arg + 7]), tonumber(args[arg + 8])
    for n = 1, count do
      local candidate = { claimed = args[arg + 8 + n], diary_keys = {}, stands_in = stands_in }
      for at = 1, diaries do
        candidate.diary_keys[at] = keys[key]
        key = key + 1
      end
      need.candidates[n] = candidate
    end
    needs[#needs + 1] = need
    arg = arg + 9 + count
  end
  return needs
end
