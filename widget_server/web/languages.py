"""The only place that chooses the language of a page of visitors and customers, and reads what no script of it says."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from starlette.requests import Request

from widget_server.assets import find
from widget_server.domain.sites import Site
from widget_server.use_cases.messages import LANGUAGES

RIGHT_TO_LEFT = ("ar",)
"""As in widget/words.js, which says it again once it is there: until then, nothing jumps from side to side."""
_LIKED_MAX = 20
_LIKED = re.compile(
    r"([A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8}){0,3})(?:\s*;\s*q=([01](?:\.\d{0,3})?))?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Language:
    tag: str
    """As somebody has written it: `de-AT`."""

    @property
    def direction(self) -> str:
        return "rtl" if _code_of(self.tag) in RIGHT_TO_LEFT else "ltr"

    def say(self, key: str, *, site: str = "") -> str:
        """A sentence of the widget's file, with the name of the site where that stands in it.

        Among words from right to left the name keeps its own direction, as in words.js.
        """
        name = f"\u2068{site}\u2069" if self.direction == "rtl" else site
        return _sentences(_code_of(self.tag))[key].replace("{site}", name)


def language_of(request: Request, site: Site | None) -> Language:
    """That of the address, or else the site's; where no site is known, the one that the browser likes best."""
    asked = request.query_params.get("lang", "")
    liked = (site.locale,) if site else _liked(request.headers.get("accept-language", ""))
    return Language(next((tag for tag in (asked, *liked) if _code_of(tag) in LANGUAGES), LANGUAGES[0]))


def _liked(header: str) -> Sequence[str]:
    """The best liked first. What makes no sense is left out, and what is not liked at all."""
    found = [_LIKED.fullmatch(part.strip()) for part in header.split(",", _LIKED_MAX)[:_LIKED_MAX]]
    weighed = [(float(match[2] or 1), match[1]) for match in found if match]
    return [tag for weight, tag in sorted(weighed, key=lambda one: -one[0]) if weight]


@cache
def _sentences(code: str) -> dict[str, str]:
    """Those that have no plural."""
    found = json.loads((find("widget_static") / "locales" / f"{code}.json").read_text("utf-8"))
    return {key: sentence for key, sentence in found.items() if isinstance(sentence, str)}


def _code_of(tag: str) -> str:
    return tag.partition("-")[0].lower()
