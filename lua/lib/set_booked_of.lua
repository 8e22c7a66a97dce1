--[[ Take over what the store counts as booked, if it is news. Its versions only rise, so the newest count wins. ]]
local function set_booked_of(line, seats)
  if line.booked < 0 or line.booked_version <= tonumber(seats.booked_version) then
    return false
  end
  seats.booked, seats.booked_version = line.booked, line.booked_version
  return true
end
