"""The only place that hands updates to open widgets. It knows neither Redis nor SQL: whoever follows the feed tells it.

One timer and no task serves all readers. A reader whose connection is busy is passed over, keeps its position, and is
told what is newest once it can take more; one that stays busy for too long is cut.
"""

import asyncio
import secrets
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Iterable
from functools import partial

from widget_server.clock import Clock
from widget_server.domain.events import Update
from widget_server.errors import Unavailable
from widget_server.live import wire
from widget_server.live.board import Board, feed_position
from widget_server.live.channel import Channel, Reader
from widget_server.live.heard import Heard

READERS_MAX = 10_000
READERS_PER_NETWORK_MAX = 2_500
"""A quarter of all, so that one network, which may be a whole town behind one address, never shuts out the rest."""
CHANNELS_MAX = 256
"""Sites without readers whose last updates are kept beyond this number are forgotten."""

BEAT_EVERY_S = 15.0
HELLO_EVERY_BEATS = 4
BUSY_MAX_S = 30.0
RETRY_MS_MIN, RETRY_MS_MAX = 1_000, 6_000
"""The readers of a server that has gone come back spread over this time."""

_KEPT_FOR_REQUESTS = 8
"""One in so many connections is none of a reader."""
_GROUPS = 15
"""Readers are spread over so many groups, and one group at a time is shown that we are there."""


class Hub:
    def __init__(
        self,
        *,
        clock: Clock,
        readers_max: int = READERS_MAX,
        readers_per_network_max: int = READERS_PER_NETWORK_MAX,
        beat_every_s: float = BEAT_EVERY_S,
        busy_max_s: float = BUSY_MAX_S,
    ) -> None:
        self._clock = clock
        self._readers_max = readers_max
        self._readers_per_network_max = readers_per_network_max
        self._tick_every_s = beat_every_s / _GROUPS
        self._busy_max_s = busy_max_s
        self._followed_from: dict[str, str] = {}
        self._heard: defaultdict[str, Heard] = defaultdict(Heard)
        self._channels: OrderedDict[str, Channel] = OrderedDict()
        self._networks: Counter[str] = Counter()
        self._groups: tuple[set[Reader], ...] = tuple(set() for _ in range(_GROUPS))
        self._ticks = 0
        self._timer: asyncio.TimerHandle | None = None
        self._going_away = False

    @property
    def readers(self) -> int:
        return self._networks.total()

    def fit_into(self, connections_max: int) -> None:
        """Take no more readers than this process may have connections, with room left for requests."""
        self._readers_max = min(self._readers_max, connections_max - connections_max // _KEPT_FOR_REQUESTS)
        self._readers_per_network_max = min(self._readers_per_network_max, max(1, self._readers_max // 4))

    def follow_from(self, partition: str, feed_id: str) -> None:
        """Every update of this partition after `feed_id` will be published; of what came before, some may be lost.

        So readers that are open now are told to read again.
        """
        self._followed_from[partition] = feed_id
        self._heard[partition].begin_anew()
        for channel in self._channels.values():
            if channel.partition == partition:
                channel.begin_anew(feed_id)

    def listen(self, partition: str, past: Iterable[str]) -> None:
        """What has been published of this partition was read out of its past, the feed with these ids; from here on
        all is heard as it comes.
        """
        ids = frozenset(past)
        self._heard[partition].begin_anew(ids)
        for channel in self._channels.values():
            if channel.partition == partition:
                channel.board.listen(ids)

    def doubt(self, site_key: str, feed_id: str) -> None:
        """What was published of this site up to `feed_id` may not be all that has changed: its readers read again."""
        channel = self._channels.get(site_key)
        if channel is not None:
            channel.doubt(feed_id)

    def is_watched(self, site_key: str) -> bool:
        channel = self._channels.get(site_key)
        return channel is not None and bool(channel.readers)

    def publish(self, partition: str, update: Update, *, is_believed: bool = True) -> None:
        """Tell all readers of the update's site. The same update again is not told again.

        Unless `is_believed`, whoever is cut off after it, and comes back anywhere, is told again what has changed.
        """
        self._heard[partition].add(update.feed_id)
        self._channel(update.site_key, partition, update.epoch).publish(update, is_believed=is_believed)

    def subscribe(
        self, site_key: str, last_event_id: str | None, *, partition: str, epoch: int, network: str
    ) -> Reader:
        """A reader of one site, which takes a place from now until it is closed.

        With `last_event_id` it is first told all that is newer, or `reset` where that is not known any more.
        Raises Unavailable where this process or this network has as many as it may have.
        """
        if self._going_away:
            raise Unavailable("This server is going away; connect again in a moment.")
        if self.readers >= self._readers_max:
            raise Unavailable("Too many live connections are open; try again later.")
        if self._networks[network] >= self._readers_per_network_max:
            raise Unavailable("Too many live connections are open from your network; try again later.")
        self._networks[network] += 1
        channel = self._channel(site_key, partition, epoch)
        return Reader(self, channel, network=network, last_event_id=last_event_id)

    def goodbye(self) -> None:
        """End all streams, each with an event that says so, and refuse new ones. To be called before a server stops."""
        self._going_away = True
        if self._timer is not None:
            self._timer.cancel()
        for group in self._groups:
            for reader in tuple(group):
                _alone(reader, reader.goodbye)

    def greeting(self) -> bytes:
        retry_ms = RETRY_MS_MIN + secrets.randbelow(RETRY_MS_MAX - RETRY_MS_MIN)
        return wire.retry(retry_ms) + wire.hello(self._clock.now())

    def opened(self, reader: Reader) -> None:
        if self._going_away:
            reader.goodbye()
            return
        min(self._groups, key=len).add(reader)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._tick_every_s, self._tick)

    def closed(self, reader: Reader) -> None:
        for group in self._groups:
            group.discard(reader)
        self._networks[reader.network] -= 1
        if not self._networks[reader.network]:
            del self._networks[reader.network]

    def _channel(self, site_key: str, partition: str, epoch: int) -> Channel:
        channel = self._channels.get(site_key)
        if channel is None:
            if len(self._channels) >= CHANNELS_MAX:
                self._forget_the_idlest()
            board = Board(epoch, self._followed_from.get(partition, "0-0"))
            channel = Channel(partition, board, self._heard[partition])
            self._channels[site_key] = channel
        self._channels.move_to_end(site_key)
        return channel

    def _forget_the_idlest(self) -> None:
        """Whoever comes back to a site forgotten here, having missed something of it, is told to read again."""
        idlest = next((key for key, channel in self._channels.items() if not channel.readers), None)
        if idlest is None:
            return
        forgotten = self._channels.pop(idlest)
        since = self._followed_from.get(forgotten.partition, "0-0")
        self._followed_from[forgotten.partition] = max(since, forgotten.board.head_feed_id, key=feed_position)

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._tick_every_s, self._tick) if self.readers else None
        rounds, group = divmod(self._ticks, _GROUPS)
        self._ticks += 1
        chunk = wire.BEAT if rounds % HELLO_EVERY_BEATS else wire.hello(self._clock.now())
        for reader in tuple(self._groups[group]):
            _alone(reader, partial(reader.beat, chunk, cut_if_busy_since_s=loop.time() - self._busy_max_s))


def _alone(reader: Reader, act: Callable[[], None]) -> None:
    """What goes wrong belongs to this reader's connection; the others are served all the same."""
    try:
        act()
    except Exception as problem:
        reader.cut(problem)
