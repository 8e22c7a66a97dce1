"""The only place that knows where files that are no Python lie: beside the package, or inside it once installed."""

from functools import cache
from pathlib import Path

from widget_server.errors import Fault

_PACKAGE = Path(__file__).parent
_HOMES = (_PACKAGE / "_data", _PACKAGE.parent)


@cache
def find(name: str) -> Path:
    """The folder `lua` or `widget_static`, or another file, wherever it is. Raises Fault if it is not there."""
    for home in _HOMES:
        if (home / name).exists():
            return home / name
    raise Fault(f"{name} is missing from this installation of Tenuto: install it again.")
