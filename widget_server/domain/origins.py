"""The only place that says what an allowed origin is: scheme, host, perhaps a port, and nothing behind them."""

import re
from ipaddress import IPv4Address
from urllib.parse import SplitResult, urlsplit

import idna

ORIGINS_MAX = 50
ORIGIN_LENGTH_MAX = 300

_HOST = re.compile(r"(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*")
_DEFAULT_PORTS = {"https": 443, "http": 80}


def allowed_origin(text: str) -> str:
    """The origin just as a browser names it: lower case, punycode, no default port.

    Raises ValueError with a sentence for whoever typed it. What passes is safe inside a Content-Security-Policy.
    """
    parts = _split(text.strip())
    host = _host(parts)
    if parts.scheme == "http" and not _is_this_computer(host):
        raise ValueError(f"Use https://{host}. Plain http:// is only for this computer: localhost or 127.0.0.1.")
    port = _port(parts)
    suffix = "" if port in (None, _DEFAULT_PORTS[parts.scheme]) else f":{port}"
    origin = f"{parts.scheme}://{host}{suffix}"
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError(f"Leave out what follows the host: {origin}")
    return origin


def _split(text: str) -> SplitResult:
    if len(text) > ORIGIN_LENGTH_MAX:
        raise ValueError("This is too long for an origin.")
    if not re.match(r"https?://[^/]", text, re.IGNORECASE):
        raise ValueError("Begin with https://, as in https://www.example.org.")
    try:
        return urlsplit(text)
    except ValueError as error:
        raise ValueError("This is not an address of a website.") from error


def _host(parts: SplitResult) -> str:
    if "@" in parts.netloc:
        raise ValueError("Leave out the name before the @ sign.")
    if "*" in parts.netloc:
        raise ValueError("Name every host on a line of its own; a * cannot stand for several.")
    if parts.netloc.startswith("["):
        raise ValueError("Use a host name: browsers cannot allow IPv6 addresses here.")
    host = _punycode(parts.hostname or "")
    if not _HOST.fullmatch(host) or not _is_ipv4_or_name(host):
        raise ValueError("This is not the name of a host.")
    return host


def _punycode(host: str) -> str:
    if host.isascii():
        return host.lower()
    try:
        return idna.encode(host, uts46=True).decode()
    except idna.IDNAError as error:
        raise ValueError("This is not the name of a host.") from error


def _port(parts: SplitResult) -> int | None:
    try:
        port = parts.port
    except ValueError as error:
        raise ValueError("The port must be a number from 1 to 65535.") from error
    if port == 0:
        raise ValueError("The port must be a number from 1 to 65535.")
    return port


def _is_ipv4_or_name(host: str) -> bool:
    """Browsers take every host that ends in a number for an IPv4 address, so anything else of that kind is a slip."""
    if not host.rpartition(".")[2].isdigit():
        return True
    try:
        IPv4Address(host)
    except ValueError:
        return False
    return True


def _is_this_computer(host: str) -> bool:
    return host == "localhost" or host.endswith(".localhost") or bool(re.fullmatch(r"127(\.\d+){3}", host))
