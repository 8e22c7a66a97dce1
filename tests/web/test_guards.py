"""Whose network a request counts for: budgets must neither be dodged by headers nor shared by all behind a proxy."""

import pytest
from httpx2 import ASGITransport, AsyncClient
from starlette.requests import Request
from structlog.testing import capture_logs

from tests.house import URL, Guest, House, refused, slot
from widget_server.domain.policies import HOLDS_PER_NETWORK_MAX
from widget_server.web import guards
from widget_server.web.guards import TrustedNetworks, network_of

PROXY, OTHER_PROXY, ANNA, BEN = "10.0.0.1", "10.0.0.2", "203.0.113.7", "198.51.100.9"


def network(peer: str, *forwarded: str, trusted: str = "10.0.0.0/8") -> str:
    headers = [(b"x-forwarded-for", line.encode()) for line in forwarded]
    state = {"trusted_proxies": TrustedNetworks(trusted)}
    return network_of(Request({"type": "http", "client": (peer, 1), "headers": headers, "state": state}))


def test_who_comes_directly_counts_for_their_own_network_whatever_they_claim() -> None:
    for claimed in ((), (BEN,), (f"{BEN}, {PROXY}",)):
        assert network(ANNA, *claimed) == "203.0.113.0/24"
        assert network(PROXY, *claimed, trusted="") == "10.0.0.0/24"


def test_a_trusted_proxy_is_believed_about_the_last_address_it_saw() -> None:
    assert network(PROXY, ANNA) == "203.0.113.0/24"
    assert network(PROXY, f"{ANNA}, {OTHER_PROXY}") == "203.0.113.0/24"
    assert network(PROXY, ANNA, OTHER_PROXY) == "203.0.113.0/24"


def test_what_a_visitor_claims_to_the_left_is_not_believed() -> None:
    assert network(PROXY, f"{BEN}, {ANNA}") == "203.0.113.0/24"
    assert network(PROXY, BEN, f"1.1.1.1, {ANNA}, {OTHER_PROXY}") == "203.0.113.0/24"


@pytest.mark.parametrize("junk", ["", "unknown", "anna", "203.0.113.7:1234", "'; --", "999.1.1.1", "x" * 10_000])
def test_what_is_no_address_counts_as_one_unknown_network(junk: str) -> None:
    assert network(PROXY, junk) == "unknown"
    assert network(junk) == "unknown"


def test_a_household_is_one_network_in_both_kinds_of_address() -> None:
    assert network("2001:db8:1:2ff:a::1") == network("2001:db8:1:200::9") == "2001:db8:1:200::/56"
    assert network("2001:db8:1:300::1") != network("2001:db8:1:2ff::1")
    assert network("::ffff:203.0.113.7") == network("203.0.113.200") == "203.0.113.0/24"


def test_a_proxy_that_is_not_trusted_is_told_of_once_without_an_address() -> None:
    guards._warn_once.cache_clear()

    with capture_logs() as logged:
        network(PROXY, ANNA)
        network(ANNA)
        assert logged == []
        for _ in range(3):
            network(PROXY, ANNA, trusted="192.0.2.0/24")

    assert [entry["event"] for entry in logged] == ["forwarded_header_not_believed"]
    assert PROXY not in str(logged)
    assert ANNA not in str(logged)


@pytest.mark.anyio
async def test_a_network_has_its_budget_and_others_still_hold(house: House) -> None:
    crowd = [house.guest() for _ in range(HOLDS_PER_NETWORK_MAX)]
    for number, guest in enumerate(crowd):
        assert (await guest.hold(slot(day=number // 40, number=number // 10 % 4))).status_code == 201

    refused(await house.guest().hold(), 429, "hold_budget_spent")
    dodging = house.guest()
    dodging.client.headers["x-forwarded-for"] = BEN
    refused(await dodging.hold(), 429, "hold_budget_spent")
    del dodging.client.headers["x-forwarded-for"]
    async with AsyncClient(transport=ASGITransport(app=house.app, client=(BEN, 1)), base_url=URL) as elsewhere:
        assert (await Guest(elsewhere).hold(slot(day=3))).status_code == 201
