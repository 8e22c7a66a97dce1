--[[ What is taken of a slot, as counted in its day hash; nothing for a slot that nobody touched yet. ]]
local function read_seats(day_key, slot_id)
  local field = string.match(slot_id, 'T(.+)$')
  local kept = redis.call('HGET', day_key, field)
  if not kept then
    return { field = field, untouched = true, held = 0, booked = 0, version = 0, booked_version = 0 }
  end
  local held, booked, version, booked_version = string.match(kept, '^(%d+):(%d+):(%d+):(%d+):')
  return {
    field = field,
    held = tonumber(held),
    booked = tonumber(booked),
    version = tonumber(version),
    booked_version = tonumber(booked_version),
  }
end
