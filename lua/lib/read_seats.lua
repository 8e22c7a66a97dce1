--[[ What is taken of a slot, as counted in its day hash; nothing for a slot that nobody touched yet. It stays in digits:
     they can be added to, and whoever compares them makes numbers of them. `frees_ms` is when its first line ends, or
     empty; whoever changes lines in a way that it may have moved makes it nil. ]]
local function read_seats(day_key, slot_id)
  local field = string.match(slot_id, 'T(.+)$')
  local kept = redis.call('HGET', day_key, field)
  if not kept then
    return { field = field, untouched = true, held = 0, booked = 0, version = 0, booked_version = 0, frees_ms = '' }
  end
  local held, booked, version, booked_version, frees_ms = string.match(kept, '^(%d+):(%d+):(%d+):(%d+):?(%d*)')
  return {
    field = field,
    held = held,
    booked = booked,
    version = version,
    booked_version = booked_version,
    frees_ms = frees_ms,
  }
end
