"""The only place that looks at who is asking: secrets and addresses."""

import re
from collections.abc import Sequence
from functools import cache, lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import structlog
from starlette.requests import Request

from widget_server.errors import SignInNeeded
from widget_server.ids import ID_PATTERN

_log = structlog.get_logger()
Network = IPv4Network | IPv6Network
_BEARER = re.compile(rf"(?i:bearer) ({ID_PATTERN.removeprefix('^').removesuffix('$')})", re.ASCII)
_PEERS_KEPT = 1_024
_V4_PREFIX, _V6_PREFIX = 24, 56
"""One household, school or office is about this much of an address."""


def bearer_secret(request: Request) -> str:
    """The secret of a hold or an order. Raises SignInNeeded where there is none of the right form."""
    match = _BEARER.fullmatch(request.headers.get("authorization", ""))
    if match is None:
        raise SignInNeeded("Send the secret as `Authorization: Bearer …`, 22 characters of base64url.")
    return match[1]


def trusted_networks(setting: str) -> tuple[Network, ...]:
    return tuple(ip_network(part.strip(), strict=False) for part in setting.split(",") if part.strip())


def network_of(request: Request) -> str:
    """The network prefix a request comes from, for budgets: not an address, so that no person is kept."""
    peer = request.client.host if request.client else ""
    forwarded = request.headers.getlist("x-forwarded-for")
    if forwarded and not _is_in(peer, request.state.trusted_proxies):
        _warn_once()
    return _prefix(_client_address(peer, forwarded, request.state.trusted_proxies))


@cache
def _warn_once() -> None:
    """Anybody may send this header, so it is no more than a hint: without the address, and once a process."""
    _log.warning("forwarded_header_not_believed", see="TENUTO_TRUSTED_PROXIES in docs/settings.md")


def _client_address(peer: str, forwarded: Sequence[str], trusted: tuple[Network, ...]) -> str:
    """The nearest address that is not a trusted proxy: what stands to its left could be anybody's invention."""
    hops = [hop.strip() for line in forwarded for hop in line.split(",")]
    address = peer
    while hops and _is_in(address, trusted):
        address = hops.pop()
    return address


@lru_cache(_PEERS_KEPT)
def _is_in(address: str, networks: tuple[Network, ...]) -> bool:
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in networks)


def _prefix(address: str) -> str:
    try:
        parsed = ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    bits = _V4_PREFIX if parsed.version == 4 else _V6_PREFIX
    # Shifted by hand: building a network for it takes longer than all else here, and every hold asks.
    spare = parsed.max_prefixlen - bits
    return f"{type(parsed)(int(parsed) >> spare << spare)}/{bits}"
