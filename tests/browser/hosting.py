"""Host pages, on 127.0.0.1: to a browser another site than localhost, where the widget comes from."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from tests.browser.serving import Studio

_PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>A studio</title><meta name="viewport" content="width=device-width, initial-scale=1">
<style>body {{ margin: 0; color-scheme: light dark }} @media (min-width: 700px) {{ main {{ padding: 0 40px }} }}</style>
</head>
<body><main><h1>A studio</h1><p><a href="#book">Before the widget</a></p>
{body}
<p><a href="#top">After the widget</a></p></main></body></html>"""


class Host:
    """Pages that a site owner might have. They allow what docs/embedding.md says they must, and nothing else."""

    def __init__(self, server: ThreadingHTTPServer, pages: dict[str, tuple[str, str]]) -> None:
        self.origin = f"http://127.0.0.1:{server.server_port}"
        self._pages = pages

    def page(self, studio: Studio, *snippets: str) -> str:
        """The address of a page with this in it; without snippets, with one widget for everything on offer."""
        script = f'<script src="{studio.url}/embed.js" async></script>'
        body = "\n".join(snippets or [f'<tenuto-booking site="{studio.key}"></tenuto-booking>'])
        policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src {studio.url}; frame-src {studio.url}"
        path = f"/{len(self._pages)}"
        self._pages[path] = (_PAGE.format(body=f"{script}\n{body}"), policy)
        return f"{self.origin}{path}"


@contextmanager
def hosting() -> Iterator[Host]:
    pages: dict[str, tuple[str, str]] = {}

    class Pages(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page, policy = pages.get(self.path, ("", "default-src 'none'"))
            self.send_response(200 if page else 204)
            self.send_header("content-type", "text/html; charset=utf-8")
            self.send_header("content-security-policy", policy)
            self.end_headers()
            self.wfile.write(page.encode())

        def log_message(self, format: str, *args: object) -> None:
            """Nobody asked."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    serving = Thread(target=server.serve_forever)
    serving.start()
    try:
        yield Host(server, pages)
    finally:
        server.shutdown()
        serving.join()
        server.server_close()
