-- include: room_with
--[[ Who serves the seats of a line: those who serve its slot already, then whoever has the fewest claims that day, ties
     by a random number. Returns {name, seats, candidate} of each, or nil and the seats that somebody could serve. ]]
local function find_claims(need, line, alive, ours, read, random)
  local people = {}
  for n, candidate in ipairs(need.candidates) do
    local room, bookings = room_with(candidate, need, line.slot_id, alive, ours, read)
    people[n] = { candidate = candidate, room = room, rank = room < need.each and -1 or bookings }
  end
  local chosen, lacking = {}, line.seats
  while lacking > 0 do
    local best = {}
    for _, person in ipairs(people) do
      if person.room > 0 and (not best[1] or person.rank < best[1].rank) then
        best = { person }
      elseif person.room > 0 and person.rank == best[1].rank then
        best[#best + 1] = person
      end
    end
    if not best[1] then
      return nil, line.seats - lacking
    end
    local person = best[random % #best + 1]
    chosen[#chosen + 1] = { candidate = person.candidate, seats = math.min(person.room, lacking) }
    lacking, person.room = lacking - chosen[#chosen].seats, 0
    random = math.floor(random / #best)
  end
  return chosen
end
