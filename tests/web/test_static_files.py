"""Files for browsers: kept for ever under the release's own path, small on the way."""

import gzip
import re
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

from widget_server.assets import find
from widget_server.web.static_files import StaticFilesOfRelease, release, static

JS_BYTES_MAX, CSS_BYTES_MAX, EMBED_BYTES_MAX = 26_000, 6_000, 3_000
"""Compressed, what the first view needs. A widget that is slow to open loses the visitor; see
docs/decisions/0004-no-build-but-no-comments.md."""


@pytest.fixture
def client() -> TestClient:
    mount = Mount("/static/{release}", StaticFilesOfRelease(directory=find("widget_static")))
    return TestClient(Starlette(routes=[mount]))


def test_a_file_of_this_release_is_kept_for_ever(client: TestClient) -> None:
    answer = client.get(static("widget/main.js"))

    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-type"].startswith("text/javascript")


def test_a_file_asked_for_under_another_release_is_asked_for_again(client: TestClient) -> None:
    answer = client.get("/static/0123456789ab/widget/main.js")
    again = client.get("/static/0123456789ab/widget/main.js", headers={"if-none-match": answer.headers["etag"]})

    assert answer.headers["cache-control"] == "no-cache"
    assert again.status_code == 304


@pytest.mark.parametrize("path", ["widget/nothing.js", "../pyproject.toml", "..%2fpyproject.toml", "widget"])
def test_what_is_no_file_of_ours_is_not_found(client: TestClient, path: str) -> None:
    assert client.get(f"/static/{release()}/{path}").status_code == 404


def test_modules_come_without_comments_and_as_they_are_to_who_takes_no_gzip(client: TestClient) -> None:
    source = (find("widget_static") / "widget" / "main.js").read_text()

    plain = client.get(static("widget/main.js"), headers={"accept-encoding": "identity"})

    assert "content-encoding" not in plain.headers
    assert "/**" in source
    assert "/**" not in plain.text


@pytest.mark.parametrize("path", sorted(find("widget_static").rglob("*.js")), ids=lambda path: path.stem)
def test_no_template_is_within_a_template_as_it_would_lose_its_spaces_with_the_comments(path: Path) -> None:
    assert re.findall(r"\$\{[^{}`]*`.*", path.read_text()) == []


def sent(paths: list[Path], client: TestClient) -> int:
    root = find("widget_static")
    return sum(int(client.get(static(path.relative_to(root).as_posix())).headers["content-length"]) for path in paths)


def needed_at_once() -> list[Path]:
    template = (find("widget_server/templates") / "widget.html").read_text()
    listed = re.search(r"for module in \[([^\]]+)\]", template)
    assert listed is not None
    names = ["main", *re.findall(r'"(\w+)"', listed[1])]
    return [find("widget_static") / "widget" / f"{name}.js" for name in names]


def test_the_widget_stays_small_on_the_way(client: TestClient) -> None:
    root = find("widget_static")

    assert sent(needed_at_once(), client) <= JS_BYTES_MAX
    assert sent([root / "css" / "widget.css"], client) <= CSS_BYTES_MAX
    assert sent([root / "embed.js"], client) <= EMBED_BYTES_MAX


def test_compressing_loses_nothing(client: TestClient) -> None:
    source = (find("widget_static") / "css" / "widget.css").read_bytes()

    with client.stream("GET", static("css/widget.css"), headers={"accept-encoding": "gzip"}) as answer:
        packed = b"".join(answer.iter_raw())

    assert gzip.decompress(packed) == source


def test_words_in_the_lists_of_the_admin_pages_are_not_made_too_pale_to_read() -> None:
    css = (find("widget_static") / "admin" / "lists.css").read_text()

    assert set(re.findall(r"opacity: ([\d.]+)", css)) == {"0"}, "what is quiet has a colour for it, that is dark enough"
