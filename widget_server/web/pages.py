"""The only place that renders templates; `static(path)` gives the address of a file that changes with its content."""

import hashlib
from functools import lru_cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.templating import Jinja2Templates
from starlette.types import Scope

from widget_server.assets import find

_DIGEST_LENGTH = 12


def static(path: str) -> str:
    """`/static/admin/admin.css?v=5f2c…`: browsers may keep it for ever, and fetch it anew after every release."""
    file = find("widget_static") / path
    return f"/static/{path}?v={_digest(file, file.stat().st_mtime_ns)}"


@lru_cache(maxsize=256)
def _digest(file: Path, modified_ns: int) -> str:
    """`modified_ns` is only there so that a changed file is read again."""
    return hashlib.sha256(file.read_bytes()).hexdigest()[:_DIGEST_LENGTH]


def _environment() -> Environment:
    loader = FileSystemLoader(Path(__file__).parents[1] / "templates")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals["static"] = static
    return environment


templates = Jinja2Templates(env=_environment())


class KeptFiles(StaticFiles):
    """Files named with their digest are kept for ever; others are asked for each time, which an ETag makes cheap."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        is_named = scope["query_string"].startswith(b"v=")
        response.headers["cache-control"] = "public, max-age=31536000, immutable" if is_named else "no-cache"
        return response
