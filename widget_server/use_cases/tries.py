"""The only place that counts how often somebody has tried something of late: to sign in, or to be sent a link."""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from widget_server.clock import Clock
from widget_server.errors import TooManyTries

WINDOW = timedelta(minutes=15)
KEYS_MAX = 10_000


@dataclass
class Tries:
    """Counts in the memory of this process: a restart forgets, and several processes each grant their own share.

    Bounded: the key longest unused makes room for a new one.
    """

    clock: Clock
    window: timedelta = WINDOW
    _counts: OrderedDict[str, tuple[datetime, int]] = field(default_factory=OrderedDict)

    def spend(self, limits: Iterable[tuple[str, int]], *, tries: int = 1) -> None:
        """Count one try under every key, or more, before it is made, so that many at once cannot slip past.

        Raises TooManyTries if one of them would have more than its number within the window; then nothing is counted.
        """
        limits = tuple(limits)
        now = self.clock.now()
        for key, tries_max in limits:
            began_at, count = self._of(key, now)
            if count + tries > tries_max:
                wait_min = -(-(began_at + self.window - now) // timedelta(minutes=1))
                raise TooManyTries(f"Too many tries. Wait {_minutes(wait_min)} and try again.")
        for key, _ in limits:
            began_at, count = self._of(key, now)
            self._counts[key] = (began_at, count + tries)
            self._counts.move_to_end(key)
        while len(self._counts) > KEYS_MAX:
            self._counts.popitem(last=False)

    def give_back(self, key: str, *, tries: int = 1) -> None:
        """The last try under it, or more, was none of those that count."""
        began_at, count = self._of(key, self.clock.now())
        if count:
            self._counts[key] = (began_at, max(0, count - tries))

    def forget(self, key: str) -> None:
        """After a success: whoever mistyped twice and then got it right starts from nothing."""
        self._counts.pop(key, None)

    def _of(self, key: str, now: datetime) -> tuple[datetime, int]:
        began_at, count = self._counts.get(key, (now, 0))
        return (began_at, count) if now < began_at + self.window else (now, 0)


def _minutes(count: int) -> str:
    return "a minute" if count == 1 else f"{count} minutes"
