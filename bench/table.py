"""The only place that says what a row of the table is, and how rows are written down."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

TIMES = "\N{MULTIPLICATION SIGN}"
ROUNDS = 3
"""Ours and its reference take turns so often; what is told is the median."""


class Worthless(Exception):
    """What was measured did not do what it should: its figures would mean nothing."""


@dataclass(frozen=True, slots=True)
class Bound:
    value: float
    is_least: bool = False

    def __str__(self) -> str:
        return f"{'≥' if self.is_least else '≤'} {self.value:g}"

    def is_met_by(self, value: float) -> bool:
        return value >= self.value if self.is_least else value <= self.value


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    ours: str
    reference: str
    value: float
    """What counts: a ratio, unless `unit` says otherwise."""
    unit: str = TIMES
    must: Bound | None = None
    aim: Bound | None = None

    @property
    def is_missed(self) -> bool:
        return self.must is not None and not self.must.is_met_by(self.value)

    def cells(self) -> tuple[str, ...]:
        return (self.name, self.ours, self.reference, self._told(), _or_nothing(self.must), _or_nothing(self.aim))

    def _told(self) -> str:
        figure = f"{self.value:.2f}" if self.value < 100 and self.value % 1 else f"{self.value:.0f}"
        spaced = self.unit if self.unit == TIMES else f" {self.unit}".rstrip()
        return f"**{figure}{spaced}**" + (" missed" if self.is_missed else "")


@dataclass(frozen=True, slots=True)
class Section:
    """Rows that were measured together, and what they mean."""

    rows: Sequence[Row]
    meaning: str


_HEAD = ("", "ours", "bare reference", "what counts", "must", "aim")


def markdown(sections: Sequence[Section], machine: Sequence[str]) -> str:
    rows = [row.cells() for section in sections for row in section.rows]
    table = [_HEAD, ("---",) * len(_HEAD), *rows]
    lines = ["| " + " | ".join(cells) + " |" for cells in table]
    meanings = [section.meaning for section in sections]
    return "\n".join(["# How fast", "", *(f"- {fact}" for fact in machine), "", _READING, "", *lines, ""]) + (
        "\n## What the rows mean\n\n" + "\n\n".join(meanings) + "\n"
    )


_READING = f"""Written by `make bench`. Ours and its reference take {ROUNDS} turns one after the other on the same \
machine; each figure is the median of these, and each ratio the median of the ratios of each turn. Memory, and very \
many ends at once, are measured once. Absolute figures depend on the machine, ratios much less. A *must* that is \
missed fails the run; an *aim* is where we want to be."""


def percentile(values: Sequence[float], percent: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(len(ordered) * percent / 100))]


def ratio(ours: Sequence[float], reference: Sequence[float]) -> float:
    """Of each turn, and of these the median: what slows a machine down for a while slows down both."""
    return median(mine / bare for mine, bare in zip(ours, reference, strict=True))


def trust(is_so: bool, otherwise: str) -> None:
    """Raises Worthless, with a sentence about what was found instead."""
    if not is_so:
        raise Worthless(otherwise)


def _or_nothing(bound: Bound | None) -> str:
    return "" if bound is None else str(bound)
