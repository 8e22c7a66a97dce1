--[[ Add the new seats of some slots to the feed, in one field: "site epoch cause holds until_ms slot figures;slot ...",
     where several holds, which were taken or ended together, are separated by commas.
     It is trimmed to about twice as many entries as holds may end at once; whoever falls behind further than that finds
     its last entry gone and reads everything anew. ]]
local function tell_seats(feed_key, site, epoch, cause, hold_id, until_ms, parts)
  redis.call('XADD', feed_key, 'MAXLEN', '~', '200000', '*', 'seats',
    site .. ' ' .. epoch .. ' ' .. cause .. ' ' .. hold_id .. ' ' .. until_ms .. ' ' .. table.concat(parts, ';'))
end
