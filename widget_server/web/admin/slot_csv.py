"""The only place that reads slots from a table of a spreadsheet, and writes them into one that can be read again."""

import csv
import re
from collections.abc import Iterator, Sequence
from datetime import date, time
from io import StringIO
from zoneinfo import ZoneInfo

from widget_server.domain.services import CAPACITY_MAX
from widget_server.domain.slot_files import ROWS_MAX, Reading, Remark, Wish
from widget_server.domain.slots import OfferedSlot
from widget_server.errors import InvalidRequest
from widget_server.web.admin.spreadsheet import Cell
from widget_server.web.admin.times import parse_day, parse_time

HEAD = ("date", "start", "end", "capacity")
_NEEDED = HEAD[:3]
_DELIMITERS = ",;\t"
_DOTTED_DAY = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})", re.ASCII)
_SECONDS = re.compile(r"(\d{1,2}:\d\d):00", re.ASCII)
_SHOWN_MAX = 40


def read_csv(text: str) -> Reading:
    """What its lines ask for. Raises InvalidRequest where the file as a whole is not to be read."""
    delimiter = _delimiter_of(text)
    lines = _lines(text, delimiter)
    _, head = next(lines, (0, []))
    names = [cell.strip().casefold() for cell in head]
    _must_have_columns(names, head)
    wishes: list[Wish] = []
    problems: list[Remark] = []
    for number, (line, cells) in enumerate(lines):
        if number == ROWS_MAX:
            raise InvalidRequest(f"These are more than {ROWS_MAX:,} lines. Import them in several parts.")
        try:
            wishes.append(_wish(line, _by_name(names, cells)))
        except ValueError as problem:
            problems.append(Remark(line, str(problem)))
    unused = [name for name in names if name and name not in HEAD]
    notes = (f"Columns that are not used: {', '.join(map(_shown, unused[:10]))}.",) if unused else ()
    return Reading(tuple(wishes), tuple(problems), notes)


def row_of(offered: OfferedSlot, zone: ZoneInfo) -> list[Cell]:
    starts, ends = (at.astimezone(zone) for at in (offered.slot.starts_at, offered.slot.ends_at))
    return [starts.date().isoformat(), f"{starts:%H:%M}", f"{ends:%H:%M}", offered.capacity]


def _delimiter_of(text: str) -> str:
    """That with which the first line has most of the columns."""
    head = next((line for line in text.splitlines() if line.strip()), "")
    return max(_DELIMITERS, key=lambda each: len(set(_cells_of(head, each)) & set(HEAD)))


def _cells_of(line: str, delimiter: str) -> list[str]:
    return [cell.strip().strip('"').strip().casefold() for cell in line.split(delimiter)]


def _lines(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Where each begins, counted as an editor counts, with its cells; without blank ones. One that is no line of cells
    comes with what is wrong as a ValueError."""
    rows, number = csv.reader(StringIO(text, newline=""), delimiter=delimiter, strict=True), 1
    while True:
        try:
            cells = next(rows, None)
        except csv.Error:
            raise InvalidRequest(
                f'Line {number} has a quotation mark (") that is never closed, or that stands within a word.'
            ) from None
        if cells is None:
            return
        if any(cell.strip() for cell in cells):
            yield number, cells
        number = rows.line_num + 1


def _must_have_columns(names: Sequence[str], head: Sequence[str]) -> None:
    missing = [name for name in _NEEDED if name not in names]
    if not missing:
        return
    if len(missing) == len(_NEEDED):
        said = f" It says: {_shown(' '.join(head))}" if head else ""
        raise InvalidRequest(
            f"The first line has to name the columns: date, start, end, and capacity if you like.{said}"
        )
    raise InvalidRequest(f"The first line names no column {' and none '.join(missing)}.")


def _by_name(names: Sequence[str], cells: Sequence[str]) -> dict[str, str]:
    """Of two columns with one name the first counts."""
    return {name: cell.strip() for name, cell in reversed(list(zip(names, cells, strict=False)))}


def _wish(line: int, cells: dict[str, str]) -> Wish:
    """Raises ValueError, saying what is wrong."""
    for name in _NEEDED:
        if not cells.get(name):
            raise ValueError(f"there is no {name}.")
    day, starts = _day(cells["date"]), _time(cells["start"])
    ends = time(0) if cells["end"] == "24:00" else _time(cells["end"])
    return Wish(line, day, starts, ends, _capacity(cells.get("capacity", "")))


def _day(typed: str) -> date:
    dotted = _DOTTED_DAY.fullmatch(typed)
    day = parse_day(f"{dotted[3]}-{dotted[2]:0>2}-{dotted[1]:0>2}" if dotted else typed)
    if day is None:
        raise ValueError(f"{_shown(typed)} is no date. Write 2026-12-31 or 31.12.2026.")
    return day


def _time(typed: str) -> time:
    seconds = _SECONDS.fullmatch(typed)
    found = parse_time(seconds[1] if seconds else typed)
    if found is None:
        raise ValueError(f"{_shown(typed)} is no time. Write 09:30.")
    return found


def _capacity(typed: str) -> int | None:
    if not typed:
        return None
    if not re.fullmatch(r"\d{1,6}", typed, re.ASCII) or not 1 <= int(typed) <= CAPACITY_MAX:
        raise ValueError(f"{_shown(typed)} is no capacity. Use a whole number from 1 to {CAPACITY_MAX}.")
    return int(typed)


def _shown(typed: str) -> str:
    return typed if len(typed) <= _SHOWN_MAX else f"{typed[:_SHOWN_MAX]}…"
