"""The only place that knows where files that are no Python lie: beside the package, or inside it once installed."""

from functools import cache
from pathlib import Path

from widget_server.errors import Fault

_PACKAGE = Path(__file__).parent
_HOMES = (_PACKAGE / "_data", _PACKAGE.parent)


@cache
def folder(name: str) -> Path:
    """The folder `lua` or `widget_static`, wherever it is. Raises Fault when the installation lacks it."""
    for home in _HOMES:
        if (home / name).is_dir():
            return home / name
    raise Fault(f"The folder {name} is missing from this installation of Tenuto: install it again.")
