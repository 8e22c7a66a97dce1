"""The only place that serves files to browsers: under the release's own path, without comments, and compressed.

Modules import one another by relative paths, so the digest stands in the path: files of one release are kept for ever,
and those of two releases never meet in one page.
"""

import gzip
import hashlib
from functools import cache, lru_cache
from mimetypes import guess_type
from pathlib import Path

import rjsmin
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from widget_server.assets import find

_DIGEST_LENGTH = 12
_FILES_KEPT = 256
_TEXTS = (".js", ".css", ".json", ".svg")


def static(path: str) -> str:
    """The address of a file, as `/static/5f2c…/widget/main.js`; it changes with every release."""
    return f"/static/{release()}/{path}"


@cache
def release() -> str:
    """A digest of all files, made once: a server is started anew for a new release."""
    root = find("widget_static")
    digest = hashlib.sha256()
    for file in sorted(path for path in root.rglob("*") if path.is_file()):
        digest.update(str(file.relative_to(root)).encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()[:_DIGEST_LENGTH]


class StaticFilesOfRelease(StaticFiles):
    """Mounted under `/static/{release}`. Files asked for under the path of another release are asked for each time."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        if response.status_code == 200 and path.endswith(_TEXTS):
            response = text_of(self.lookup_path(path)[0], scope, {"etag": response.headers["etag"]})
        is_ours = scope["path_params"].get("release") == release()
        response.headers["cache-control"] = "public, max-age=31536000, immutable" if is_ours else "no-cache"
        return response


def text_of(file: str | Path, scope: Scope, headers: dict[str, str]) -> Response:
    """A file without its comments, compressed if the browser likes."""
    compressed = "gzip" in Headers(scope=scope).get("accept-encoding", "")
    encoding = {"content-encoding": "gzip"} if compressed else {}
    body = _prepared(Path(file), compressed)
    headers = headers | encoding | {"vary": "accept-encoding", "content-length": str(len(body))}
    return Response(b"" if scope["method"] == "HEAD" else body, headers=headers, media_type=guess_type(file)[0])


@lru_cache(maxsize=_FILES_KEPT)
def _prepared(file: Path, compressed: bool) -> bytes:
    body = file.read_bytes()
    if file.suffix == ".js":
        body = rjsmin.jsmin(body.decode()).encode()
    return gzip.compress(body, mtime=0) if compressed else body
