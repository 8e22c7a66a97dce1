"""The only place that brings together what two operators have changed in the same form."""

import hashlib
import re
from collections import defaultdict
from collections.abc import Mapping

from widget_server.web.forms import Form

WAS = "was"
"""The field that says of all others what they showed, so that what somebody typed is told from what they only send."""
MERGED = "Somebody saved other {} meanwhile. Here they are, with what you have changed: check all, and save once more."
_ROW = re.compile(r"((w|d|off|t)-\d+)-(.+)", re.ASCII)
"""Rows have numbers, which say nothing of what stood there before: so all of a kind are one."""
_OF_A_DAY = "t"
"""But those of a calendar, which stand on its days, only with others of the same day."""
_BLANK_WITHOUT_TIMES = ("w", _OF_A_DAY)
"""A row of these has a day also where nothing is typed in it."""
_TOGETHER = {"for_ever": "last_day", "worth": "takes", "span-ends": "span-starts"}
"""What makes no sense without another field is one with it."""


def marked(form: Form) -> Form:
    """A form as it is first shown."""
    form.values[WAS] = " ".join(f"{part}={mark}" for part, mark in _marks(form.values).items())
    return form


def take_theirs(form: Form, saved: Form) -> set[str]:
    """What nobody has touched in it becomes what somebody else has saved meanwhile; all else stays as it was typed.

    Returns the parts that both have changed; of a form that does not say what it showed, all that are other by now.
    Rows of `saved` that stand on days have numbers that are not in the form.
    """
    was = dict(pair.split("=", 1) for pair in form.text(WAS).split() if "=" in pair)
    typed, theirs = _marks(form.values), _marks(saved.values)
    parts = was.keys() | typed.keys() | theirs.keys()
    untouched = {part for part in parts if typed.get(part) == was.get(part)} if was else set()
    kept = {name: text for name, text in form.values.items() if _part(name, form.values) not in untouched}
    taken = {name: text for name, text in saved.values.items() if _part(name, saved.values) in untouched}
    form.values = kept | taken | {name: saved.values[name] for name in ("seen", WAS)}
    shown = was or typed
    return {part for part in parts - untouched if theirs.get(part) != shown.get(part)}


def part_of_day(day: object) -> str:
    return f"{_OF_A_DAY}-{day}"


def _marks(values: Mapping[str, str]) -> dict[str, str]:
    """Of each part of a form that says anything: a box without its tick is as one that is not there."""
    said = defaultdict[tuple[str, str], dict[str, str]](dict)
    for name, text in sorted(values.items()):
        if text.strip() and name not in ("seen", WAS):
            row = _ROW.fullmatch(name)
            alone, field = (row[1], row[3]) if row else (name, name)
            said[_part(name, values), alone][field] = text.strip()
    parts = defaultdict[str, list[str]](list)
    for (part, _), texts in said.items():
        if part.partition("-")[0] not in _BLANK_WITHOUT_TIMES or texts.keys() & {"starts", "ends"}:
            parts[part].append("\0".join(f"{field}\0{text}" for field, text in texts.items()))
    return {part: hashlib.sha256("\0\0".join(sorted(each)).encode()).hexdigest()[:12] for part, each in parts.items()}


def _part(name: str, values: Mapping[str, str]) -> str:
    row = _ROW.fullmatch(name)
    if row is None:
        return "question" if name.startswith("question") else _TOGETHER.get(name, name)
    return part_of_day(values.get(f"{row[1]}-day", "").strip()) if row[2] == _OF_A_DAY else row[2]
