"""What the headers of the scripts in lua/ promise."""

import re
from dataclasses import dataclass

from widget_server.assets import find

_ARGUMENT = re.compile(r"^  (KEYS|ARGV)\[(\d+)(\.\.)?\]\s+(\w+)", re.MULTILINE)
_WORD = re.compile(r"^    ([A-Z_]{3,})((?: [a-z_]+)*)(?:  |$)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Header:
    flags: str
    """What the server may do with it, as the line above the header says."""
    title: str
    body: str
    """The script without its header; includes are not joined."""
    named: dict[str, dict[int, str]]
    """Of KEYS and of ARGV: number -> name."""
    repeated_from: dict[str, int]
    words: dict[str, list[str]]
    """Reply word -> names of what follows it."""


def _header(text: str) -> Header:
    above, _, below = text.partition("--[[\n")
    head, _, body = below.partition("\n]]\n")
    named: dict[str, dict[int, str]] = {"KEYS": {}, "ARGV": {}}
    repeated_from: dict[str, int] = {}
    for array, number, repeated, name in _ARGUMENT.findall(head):
        if repeated:
            repeated_from[array] = int(number)
        else:
            named[array][int(number)] = name
    words = {word: names.split() for word, names in _WORD.findall(head)}
    return Header(above, head.splitlines()[0], body, named, repeated_from, words)


HEADERS = {path.stem: _header(path.read_text("utf-8")) for path in sorted(find("lua").glob("*.lua"))}
