"""What all answers have in common: one shape of errors, methods, and headers that keep pages to themselves."""

import json

import pytest
from httpx2 import Response as Answer
from starlette.types import Message

from tests.house import ORIGIN, SITE, URL, House, refused, slot
from widget_server.ids import new_id
from widget_server.use_cases.catalog import Catalog, Listing

pytestmark = pytest.mark.anyio

OF_SITE = f"/v1/sites/{SITE}"
HOLD, ORDER = f"{OF_SITE}/holds/{'H' * 22}", f"{OF_SITE}/orders/{'O' * 22}"
METHODS = {
    f"{OF_SITE}/services": "GET, HEAD",
    f"{OF_SITE}/services/yoga/availability": "GET, HEAD",
    f"{OF_SITE}/feed": "GET, HEAD",
    f"{OF_SITE}/holds": "POST",
    HOLD: "DELETE, GET, HEAD, PATCH",
    f"{HOLD}/confirmation": "POST",
    f"{HOLD}/checkout": "DELETE, GET, HEAD, POST",
    ORDER: "GET, HEAD",
    f"{ORDER}/cancellation": "POST",
}
NOWHERE = [
    "/v1",
    "/v1/",
    "/v1/sites",
    f"{OF_SITE}",
    f"{OF_SITE}/slots",
    f"{HOLD}/checkouts",
    "/pretend-stripe/v1/account",
    "/v1/sites//services",
    "/v1/%2e%2e/etc/passwd",
    f"/v2/sites/{SITE}/services",
]
LED_ON = {
    "/admin/": "/admin",
    f"/w/{SITE}//?lang=fr&theme=dark": f"/w/{SITE}?lang=fr&theme=dark",
    "/admin%2F": "/admin",
    "/w/a%3Fb%23c%0d%0a/": "/w/a%3Fb%23c%0D%0A",
    f"{OF_SITE}/holds/": f"{OF_SITE}/holds",
}


async def find_with_a_fault(catalog: Catalog, site_key: str) -> Listing:
    raise AssertionError("secret inner workings")


async def test_a_method_that_an_address_does_not_know_is_refused_with_those_it_knows(house: House) -> None:
    for path, known in METHODS.items():
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"} - set(known.split(", ")):
            answer = await house.client.request(method, path)
            refused(answer, 405, "method_not_allowed")
            assert answer.headers["allow"] == known, (method, path)


async def test_an_address_that_leads_nowhere_is_refused_in_the_one_shape(house: House) -> None:
    for path in NOWHERE:
        refused(await house.client.get(path), 404, "not_found")


async def test_a_slash_too_many_leads_to_the_address_without_it_whatever_scheme_the_proxy_speaks(house: House) -> None:
    """With scheme and host it would lead from `https` to `http`: we only hear what the proxy says to us."""
    for path, without in LED_ON.items():
        answer = await house.client.get(path)
        assert (answer.status_code, answer.headers["location"]) == (307, without)


async def test_head_answers_as_get_without_a_body(house: House) -> None:
    day = slot().starts_at.date()
    for path in (f"{OF_SITE}/services", f"{OF_SITE}/services/yoga/availability?from={day}&to={day}"):
        plain = {"accept-encoding": "identity"}
        got, head = await house.client.get(path, headers=plain), await house.client.head(path, headers=plain)
        assert (head.status_code, head.headers["content-length"]) == (200, str(len(got.content)))
    feed = await house.client.head(f"{OF_SITE}/feed")
    assert (feed.status_code, feed.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    assert (await house.client.head("/v1/sites/nobody/feed")).status_code == 404


async def test_a_month_is_answered_past_the_table_of_routes_as_by_it(house: House) -> None:
    """HEAD goes by the table."""
    day = slot().starts_at.date()
    of_yoga = f"{OF_SITE}/services/yoga/availability?from={day}&to="
    for path in (f"{of_yoga}{day}", f"{of_yoga}never", f"{OF_SITE}/services/tango/availability?from={day}&to={day}"):
        got, head = await house.client.get(path), await house.client.head(path)
        assert (got.status_code, dict(got.headers)) == (head.status_code, dict(head.headers))
    known = {"if-none-match": (await house.client.get(f"{of_yoga}{day}")).headers["etag"]}
    got, head = [await house.client.request(each, f"{of_yoga}{day}", headers=known) for each in ("GET", "HEAD")]
    assert (got.status_code, dict(got.headers)) == (304, dict(head.headers))
    assert "content-security-policy" in got.headers


async def test_a_fault_of_ours_says_nothing_of_its_inside(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Catalog, "find", find_with_a_fault)

    answer = await house.client.get(f"{OF_SITE}/services")
    refused(answer, 500, "failed")
    assert "secret" not in answer.text
    assert_closed(answer)


@pytest.mark.parametrize("path", [f"{OF_SITE}/holds", f"{HOLD}/confirmation"])
async def test_a_client_that_hangs_up_in_the_middle_is_no_fault_of_ours(house: House, path: str) -> None:
    sent: list[Message] = []
    said: list[Message] = [{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}]
    headers = [(b"authorization", f"Bearer {new_id()}".encode())]
    scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": headers}

    async def receive() -> Message:
        return said.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    await house.app(scope, receive, send)
    assert sent[0]["status"] == 400


async def test_nothing_below_v1_may_be_read_by_pages_of_other_origins(house: House) -> None:
    asked = {"origin": "https://evil.example", "access-control-request-method": "POST"}
    for path in METHODS:
        for method in ("HEAD", "POST", "OPTIONS"):
            answer = await house.client.request(method, path, headers=asked, content=b"{}")
            assert not [name for name in answer.headers if name.startswith("access-control-")], path
            assert_closed(answer)


async def test_pages_may_only_be_framed_by_whom_the_operator_allows(house: House) -> None:
    framed = await house.client.get(f"/w/{SITE}")
    policy = framed.headers["content-security-policy"]
    assert policy.rpartition("frame-ancestors ")[2] == f"'self' {ORIGIN}"
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy

    for path in (f"/o/{SITE}/{new_id()}", "/admin/sign-in", "/healthz", "/openapi.json", "/nowhere"):
        assert_closed(await house.client.get(path))
    order = await house.client.get(f"/o/{SITE}/{new_id()}")
    assert order.headers["referrer-policy"] == "no-referrer"


async def test_the_loader_may_be_used_by_every_page(house: House) -> None:
    answer = await house.client.get("/embed.js")

    assert answer.headers["content-type"].startswith("text/javascript")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_pages_of_a_site_that_does_not_exist_are_pages_that_say_so(house: House) -> None:
    for path in ("/w/nobody", f"/o/nobody/{new_id()}", "/w/<script>", "/w/%00"):
        answer = await house.client.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
        assert_closed(answer)


async def test_an_address_that_leads_nowhere_is_a_page_where_people_go(house: House) -> None:
    for path in (
        "/admin/nowhere",
        f"/admin/sites/{SITE}/nowhere",
        "/o",
        f"/o/{SITE}",
        "/my",
        f"/my/{SITE}/nowhere",
        "/w",
    ):
        answer = await house.client.get(path)
        page_that_says(answer, 404, "Nothing is at this address")
        assert ('<a class="button" href="/admin">' in answer.text) == path.startswith("/admin")
        assert ('href="/admin"' in answer.text) == path.startswith("/admin"), "customers have nothing to do there"
        assert ("open it once more" in answer.text) != path.startswith("/admin")
    refused(await house.client.get("/administration"), 404, "not_found")


async def test_an_address_that_only_takes_forms_says_so_to_whoever_opens_it(house: House) -> None:
    answer = await house.client.get("/admin/sign-out")
    page_that_says(answer, 405, "This address only takes forms.")
    assert answer.headers["allow"] == "POST"
    page_that_says(await house.client.post(f"/my/{SITE}"), 405, "Nothing can be sent to this address.")


async def test_a_fault_of_ours_is_a_page_where_people_go(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> None:
        raise AssertionError("secret inner workings")

    monkeypatch.setattr(Catalog, "find", find_with_a_fault)
    monkeypatch.setattr(house.parts.use_cases.sites, "signed_in", broken)

    house.client.cookies.set("tenuto", new_id())
    for path in (f"/admin/sites/{SITE}/bookings", f"/my/{SITE}"):
        answer = await house.client.get(path)
        page_that_says(answer, 500, "Something went wrong on our side. Please try again.")
        assert "secret" not in answer.text


async def test_the_widget_takes_no_orders_from_its_address(house: House) -> None:
    evil = '"><script>alert(1)</script>'
    answer = await house.client.get(
        f"/w/{SITE}",
        params={"service": evil, "lang": evil, "theme": evil, "host": "https://evil.example", "live": evil},
    )

    assert answer.status_code == 200
    assert "<script>alert(1)" not in answer.text
    assert "https://evil.example" not in answer.headers["content-security-policy"]


async def test_names_in_the_page_cannot_end_its_script(house: House) -> None:
    await house.change_settings(name="</script><script>alert(1)</script>")

    page = (await house.client.get(f"/w/{SITE}")).text
    assert "<script>alert(1)" not in page


async def test_files_beside_the_widget_are_not_served(house: House) -> None:
    for path in (
        "/static/x/../../widget_server/cli.py",
        "/static/x/%2e%2e/%2e%2e/README.md",
        "/static/x/package.jsonx",
    ):
        assert (await house.client.get(path)).status_code == 404


async def test_health_tells_that_it_lives_and_readiness_what_it_can_do(house: House) -> None:
    alive, ready = await house.client.get("/healthz"), await house.client.get("/readyz")

    assert (alive.status_code, alive.json()) == (200, {"status": "alive"})
    assert ready.status_code == 200
    assert ready.json() == {"status": "ready", "parts": {"redis": "ok", "database": "ok", "feed": "ok"}}
    metrics = await house.client.get("/metrics")
    assert metrics.status_code == 200
    assert metrics.headers["content-type"].startswith("text/plain")


async def test_the_description_for_machines_is_one(house: House) -> None:
    answer = await house.client.get("/openapi.json")

    assert json.loads(answer.content)["openapi"].startswith("3.1")
    assert URL not in answer.text


def page_that_says(answer: Answer, status: int, sentence: str) -> None:
    assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert answer.headers["cache-control"] == "no-store"
    assert sentence in answer.text
    assert_closed(answer)


def assert_closed(answer: Answer) -> None:
    """No other page may frame it, guess at its type or learn of its address."""
    assert answer.headers["content-security-policy"].endswith("frame-ancestors 'none'")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert answer.headers["referrer-policy"] in ("strict-origin-when-cross-origin", "no-referrer")
