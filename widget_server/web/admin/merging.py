"""The only place that brings together what two operators have changed in the same form."""

import hashlib
from collections import defaultdict
from collections.abc import Mapping

from widget_server.web.forms import Form

WAS = "was"
"""The field that says of all others what they showed, so that what somebody typed is told from what they only send."""
MERGED = "Somebody saved other {} meanwhile. Here they are, with what you have changed: check all, and save once more."
_ROWS = "question"
"""Rows have numbers, which say nothing of what stood there before: so all of them are one."""


def marked(form: Form) -> Form:
    """A form as it is first shown."""
    form.values[WAS] = " ".join(f"{part}={mark}" for part, mark in _marks(form.values).items())
    return form


def take_theirs(form: Form, saved: Form) -> None:
    """What nobody has touched in it becomes what somebody else has saved meanwhile; all else stays as it was typed."""
    was = dict(pair.split("=", 1) for pair in form.text(WAS).split() if "=" in pair)
    typed = _marks(form.values)
    untouched = {part for part, mark in was.items() if typed.get(part, _NOTHING) == mark}
    mine = {name: text for name, text in form.values.items() if _part(name) not in untouched}
    theirs = {name: text for name, text in saved.values.items() if _part(name) in untouched}
    form.values = mine | theirs | {name: saved.values[name] for name in ("seen", WAS)}


def _marks(values: Mapping[str, str]) -> dict[str, str]:
    """Of each part of a form. One without a text, as a box without its tick, is as one that is not there."""
    parts = defaultdict[str, list[str]](list)
    for name, text in sorted(values.items()):
        if name not in ("seen", WAS):
            parts[_part(name)] += [name, text.strip()] if text.strip() else []
    return {part: _mark(texts) for part, texts in parts.items()}


def _part(name: str) -> str:
    return _ROWS if name.startswith(_ROWS) else name


def _mark(texts: list[str]) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:12]


_NOTHING = _mark([])
