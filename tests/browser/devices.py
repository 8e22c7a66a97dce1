"""Browser windows, lent to one visitor after another: to open one takes as long as half a story does."""

from collections import deque
from typing import Any

from playwright.async_api import Browser, Page

TALL = 2000
"""So that nothing scrolls: for half a second after a frame has moved, Chromium drops what is pressed in it."""
_KEPT_MAX = 6
_FORGET = "() => { try { sessionStorage.clear(); localStorage.clear(); } catch {} }"
_CLOCK = "Date.now.toString().includes('[native code]')"


class Devices:
    """A window that was given back knows nothing of who had it, but for files that the browser keeps to be faster."""

    def __init__(self, browser: Browser, patience_ms: int) -> None:
        self._browser = browser
        self._patience_ms = patience_ms
        self._free: deque[tuple[str, Page]] = deque()

    async def lend(self, *, width: int, **asked: Any) -> Page:
        kind = _kind(width=width, **asked)
        for there in self._free:
            if there[0] == kind:
                self._free.remove(there)
                return there[1]
        return await self.new(width=width, **asked)

    async def new(self, *, width: int, **asked: Any) -> Page:
        context = await self._browser.new_context(viewport={"width": width, "height": TALL}, **asked)
        context.set_default_timeout(self._patience_ms)
        return await context.new_page()

    async def take_back(self, page: Page, *, width: int, **asked: Any) -> None:
        context = page.context
        for other in context.pages:
            if other is not page:
                await other.close()
        await page.evaluate(_FORGET)
        await page.unroute_all(behavior="ignoreErrors")
        await page.goto("about:blank")
        assert await page.evaluate(_CLOCK), "whoever sets the clock asks for a device of their own"
        await context.clear_cookies()
        await context.set_offline(False)
        await page.set_viewport_size({"width": width, "height": TALL})
        await page.emulate_media(color_scheme="null", media="null")
        self._free.append((_kind(width=width, **asked), page))
        if len(self._free) > _KEPT_MAX:
            await self._free.popleft()[1].context.close()


def _kind(**asked: Any) -> str:
    return repr(sorted(asked.items()))
