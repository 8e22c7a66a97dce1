--[[ Add to the feed that a schedule version begins (kind schedule) or stands in the store (kind settled). ]]
local function tell_schedule(feed_key, site, epoch, kind, version)
  redis.call('XADD', feed_key, 'MAXLEN', '~', '200000', '*', kind,
    string.format('%s %s %d', site, epoch, version))
end
