"""The only place that writes what long commands have to say: how far they are, and what they found."""

import json
import sys
import time
from collections import Counter
from collections.abc import Sequence

from widget_server.use_cases.findings import Finding

_EVERY_S, _EVERY_S_OFF_TERMINAL = 0.2, 5.0


class Progress:
    """How far a command is, on stderr: in place on a terminal, else as a line every few seconds."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._is_terminal = sys.stderr.isatty()
        self._began_at_s = self._told_at_s = time.monotonic()
        self.count = 0

    @property
    def rate(self) -> float:
        return self.count / max(time.monotonic() - self._began_at_s, 1e-6)

    def add(self, count: int) -> None:
        self.count += count
        if time.monotonic() - self._told_at_s < (_EVERY_S if self._is_terminal else _EVERY_S_OFF_TERMINAL):
            return
        self._told_at_s = time.monotonic()
        line = f"{self.count:,} {self._what}, {self.rate:,.0f} a second"
        sys.stderr.write(f"\r{line}\x1b[K" if self._is_terminal else f"{line}\n")
        sys.stderr.flush()

    def end(self) -> None:
        if self._is_terminal:
            sys.stderr.write("\r\x1b[K")


def as_lines(found: Sequence[Finding], looked_at: int) -> str:
    """For people: what is wrong where, what each side says, and what mends it."""
    if not found:
        return f"Clean: {looked_at:,} slots, holds, meetings and claims looked at, and Redis and SQL agree."
    lines = [
        f"{one.site_key}  {one.kind}  {one.where}\n"
        f"    Redis: {one.redis}\n    SQL: {one.sql}\n    mended by: {one.mends}"
        for one in found
    ]
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in _counts(found).items())
    return "\n".join([*lines, f"Found {kinds}, in {looked_at:,} slots, holds, meetings and claims looked at."])


def as_json(found: Sequence[Finding], looked_at: int) -> str:
    """For machines; docs/operations.md describes it."""
    listed = [
        {
            "site": one.site_key,
            "kind": one.kind.value,
            "where": one.where,
            "redis": one.redis,
            "sql": one.sql,
            "mended_by": one.mends,
        }
        for one in found
    ]
    whole = {"clean": not found, "looked_at": looked_at, "counts": _counts(found), "findings": listed}
    return json.dumps(whole, indent=2)


def _counts(found: Sequence[Finding]) -> dict[str, int]:
    """How many of each kind."""
    return dict(Counter(one.kind.value for one in found))
