"""The only place that looks at who is asking: secrets and addresses."""

import re
from collections.abc import Sequence
from functools import cache, lru_cache
from ipaddress import IPv6Address, IPv6Network, ip_address, ip_network

import structlog
from starlette.requests import Request

from widget_server.errors import SignInNeeded
from widget_server.ids import ID_PATTERN

_log = structlog.get_logger()
_BEARER = re.compile(rf"(?i:bearer) ({ID_PATTERN.removeprefix('^').removesuffix('$')})", re.ASCII)
_PEERS_KEPT = 1_024
_OCTET = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_V4 = re.compile(rf"({_OCTET}\.{_OCTET}\.{_OCTET})\.{_OCTET}", re.ASCII)
RawHeaders = Sequence[tuple[bytes, bytes]]
"""With names in small letters."""
_V6_PREFIX = 56
"""One household, school or office is about this much of an address; of the older kind, three of its four numbers."""


class TrustedNetworks:
    """Whose word counts about where a request is from."""

    def __init__(self, setting: str) -> None:
        """Raises ValueError for anything but networks and addresses with commas between."""
        self._networks = [ip_network(part.strip(), strict=False) for part in setting.split(",") if part.strip()]
        self.have = lru_cache(_PEERS_KEPT)(self._have)

    def _have(self, address: str) -> bool:
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._networks)


def bearer_secret(request: Request) -> str:
    """The secret of a hold or an order. Raises SignInNeeded where there is none of the right form."""
    return secret_in(request.scope["headers"])


def network_of(request: Request) -> str:
    """The network prefix a request comes from, for budgets: not an address, so that no person is kept."""
    peer = request.client.host if request.client else ""
    return network_in(request.scope["headers"], peer, request.state.trusted_proxies)


def secret_in(headers: RawHeaders) -> str:
    """As `bearer_secret`."""
    sent = next((value for name, value in headers if name == b"authorization"), b"")
    match = _BEARER.fullmatch(sent.decode("latin-1"))
    if match is None:
        raise SignInNeeded("Send the secret as `Authorization: Bearer …`, 22 characters of base64url.")
    return match[1]


def network_in(headers: RawHeaders, peer: str, trusted: TrustedNetworks) -> str:
    """As `network_of`."""
    forwarded = [value.decode("latin-1") for name, value in headers if name == b"x-forwarded-for"]
    if not forwarded:
        return _prefix(peer)
    if not trusted.have(peer):
        _warn_once()
    return _prefix(_client_address(peer, forwarded, trusted))


@cache
def _warn_once() -> None:
    """Anybody may send this header, so it is no more than a hint: without the address, and once a process."""
    _log.warning("forwarded_header_not_believed", see="TENUTO_TRUSTED_PROXIES in docs/settings.md")


def _client_address(peer: str, forwarded: Sequence[str], trusted: TrustedNetworks) -> str:
    """The nearest address that is not a trusted proxy: what stands to its left could be anybody's invention."""
    hops = [hop.strip() for line in forwarded for hop in line.split(",")]
    address = peer
    while hops and trusted.have(address):
        address = hops.pop()
    return address


@lru_cache(_PEERS_KEPT)
def _prefix(address: str) -> str:
    # Every hold asks, and nearly all of them like this: parsing an address takes longer than all else here.
    if (v4 := _V4.fullmatch(address)) is not None:
        return f"{v4[1]}.0/24"
    try:
        parsed = ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        return _prefix(str(parsed.ipv4_mapped))
    return str(IPv6Network((int(parsed), _V6_PREFIX), strict=False))
