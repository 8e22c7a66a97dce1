--[[ Add the new seats of some slots to the feed. It is trimmed to about twice as many entries as holds may end at once;
     whoever falls behind further than that finds its last entry gone and reads everything anew. ]]
local function tell_seats(feed_key, site, epoch, cause, hold_id, until_ms, parts)
  redis.call('XADD', feed_key, 'MAXLEN', '~', 200000, '*', 'kind', 'seats', 'site', site, 'epoch', epoch,
    'cause', cause, 'hold', hold_id, 'until_ms', until_ms, 'seats', table.concat(parts, ';'))
end
