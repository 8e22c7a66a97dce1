"""The only place for addresses with a slash too many at their end: they lead to the one without it.

Starlette would name scheme and host as well, and behind a proxy with a certificate it takes the scheme for `http`.
"""

from urllib.parse import quote

from starlette.responses import RedirectResponse
from starlette.routing import Match, Router
from starlette.types import Receive, Scope, Send

_OF_PATHS = "/:@!$&'()*+,;="


class WithoutSlash:
    """What a router answers where none of its routes is meant."""

    def __init__(self, router: Router) -> None:
        self._router = router

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"].rstrip("/")
        if path == scope["path"] or not self._leads_somewhere({**scope, "path": path}):
            await self._router.not_found(scope, receive, send)
            return
        query = scope["query_string"].decode("latin-1")
        await RedirectResponse(quote(path, _OF_PATHS) + (query and f"?{query}"))(scope, receive, send)

    def _leads_somewhere(self, scope: Scope) -> bool:
        return any(route.matches(scope)[0] is not Match.NONE for route in self._router.routes)
