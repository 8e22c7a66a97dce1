"""The only place that gives scripts another clock: the real ones, behind a few lines that answer for the machine.

Time, the ids of the feed and the ends of keys come from the simulation, so that a run does not depend on when and how
fast it runs. Everything else is Redis's own answer.
"""

import hashlib
import re
from dataclasses import dataclass

from widget_server.engine.scripts import load_all

STATE_KEY, ENDS_KEY = "virtual", "virtual:ends"
FEED_MAX = 3_000
"""In place of the 200,000 entries of real life: here, too, a feed is to be trimmed now and then."""

_FLAGS = re.compile(r"\A#!.*")
"""They may only stand in the first line, and this server's memory is never full."""
_PRELUDE = f"""
local machine = redis
local virtual = machine.call('HMGET', '{STATE_KEY}', 'now_ms', 'stamp')
local redis = setmetatable({{}}, {{ __index = machine }})
redis.call = function(verb, ...)
  if verb == 'TIME' then
    local now_ms = tonumber(virtual[1])
    return {{ string.format('%d', math.floor(now_ms / 1000)), string.format('%d', now_ms % 1000 * 1000) }}
  elseif verb == 'XADD' then
    local words = {{ ... }}
    for n, word in ipairs(words) do
      if tostring(word) == '200000' then
        words[n] = {FEED_MAX}
      elseif word == '*' then
        words[n] = virtual[2] .. '-*'
        break
      end
    end
    return machine.call(verb, unpack(words))
  elseif verb == 'EXPIRE' then
    local key, seconds = ...
    return machine.call('ZADD', '{ENDS_KEY}', string.format('%d', virtual[1] + seconds * 1000), key)
  elseif verb == 'EXPIREAT' then
    local key, at = ...
    return machine.call('ZADD', '{ENDS_KEY}', string.format('%d', at * 1000), key)
  elseif verb == 'PERSIST' then
    return machine.call('ZREM', '{ENDS_KEY}', ...)
  end
  return machine.call(verb, ...)
end
"""


@dataclass(frozen=True, slots=True)
class VirtualScript:
    name: str
    real: str
    """The text that the product knows it by."""
    text: str
    sha: str


def by_sha() -> dict[str, VirtualScript]:
    """The scripts under virtual time, by the hashes that the product knows them by."""
    return {script.sha: _virtual(script.name, script.text) for script in load_all()}


def _virtual(name: str, real: str) -> VirtualScript:
    text = _PRELUDE + _FLAGS.sub("", real)
    return VirtualScript(name, real, text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())
