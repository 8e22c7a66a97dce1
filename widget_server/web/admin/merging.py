"""The only place that brings together what two operators have changed in the same form."""

import hashlib
import re
from collections import defaultdict
from collections.abc import Mapping

from widget_server.web.forms import Form

WAS = "was"
"""The field that says of all others what they showed, so that what somebody typed is told from what they only send."""
MERGED = "Somebody saved other {} meanwhile. Here they are, with what you have changed: check all, and save once more."
_ROWS = re.compile(r"question|(?:w|d|off)(?=-)", re.ASCII)
"""Rows have numbers, which say nothing of what stood there before: so all of a kind are one."""
_TOGETHER = {"for_ever": "last_day", "worth": "takes"}
"""What makes no sense without another field is one with it."""
_WEEKDAY_ALONE = re.compile(r"(w-\d+)-day", re.ASCII)


def marked(form: Form) -> Form:
    """A form as it is first shown."""
    form.values[WAS] = " ".join(f"{part}={mark}" for part, mark in _marks(form.values).items())
    return form


def take_theirs(form: Form, saved: Form) -> None:
    """What nobody has touched in it becomes what somebody else has saved meanwhile; all else stays as it was typed."""
    was = dict(pair.split("=", 1) for pair in form.text(WAS).split() if "=" in pair)
    typed = _marks(form.values)
    parts = was.keys() | typed.keys() | _marks(saved.values).keys() if was else ()
    untouched = {part for part in parts if typed.get(part, _NOTHING) == was.get(part, _NOTHING)}
    mine = {name: text for name, text in form.values.items() if _part(name) not in untouched}
    theirs = {name: text for name, text in saved.values.items() if _part(name) in untouched}
    form.values = mine | theirs | {name: saved.values[name] for name in ("seen", WAS)}


def _marks(values: Mapping[str, str]) -> dict[str, str]:
    """Of each part of a form. One without a text, as a box without its tick, is as one that is not there."""
    parts = defaultdict[str, list[str]](list)
    for name, text in sorted(values.items()):
        if name not in ("seen", WAS) and not _is_blank(name, values):
            parts[_part(name)] += [name, text.strip()] if text.strip() else []
    return {part: _mark(texts) for part, texts in parts.items()}


def _part(name: str) -> str:
    row = _ROWS.match(name)
    return row[0] if row else _TOGETHER.get(name, name)


def _is_blank(name: str, values: Mapping[str, str]) -> bool:
    """A row in which nothing is typed has a weekday all the same."""
    row = _WEEKDAY_ALONE.fullmatch(name)
    return row is not None and not any(values.get(f"{row[1]}-{field}", "").strip() for field in ("starts", "ends"))


def _mark(texts: list[str]) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:12]


_NOTHING = _mark([])
