"""The only place that reads the scripts in lua/ and joins them with what they include."""

import hashlib
import re
from dataclasses import dataclass
from functools import cache

from widget_server.assets import find

_INCLUDE = re.compile(r"^( *)-- include: (\w+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Script:
    name: str
    text: str
    sha: str


@cache
def load(name: str) -> Script:
    """The script of one verb, whole."""
    text = _joined((find("lua") / f"{name}.lua").read_text("utf-8"), included=set())
    return Script(name, text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


@cache
def load_all() -> tuple[Script, ...]:
    return tuple(load(path.stem) for path in sorted(find("lua").glob("*.lua")))


def _joined(text: str, included: set[str]) -> str:
    """Each include stands where it is first asked for, and only once. In a block it is known in that block only, so
    it is made only when the script comes there.
    """

    def body_of(match: re.Match[str]) -> str:
        indent, name = match.groups()
        if name in included:
            return ""
        known = included | {name} if indent else included
        known.add(name)
        return _joined((find("lua") / "lib" / f"{name}.lua").read_text("utf-8"), known).rstrip()

    return _INCLUDE.sub(body_of, text)
