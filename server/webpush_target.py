"""Where a push may go: to a push service on the internet, and never into the network around here.

A browser names the address, so whoever may subscribe could have the server ask any host for them.
It goes by https, to addresses that are public, checked after the name was looked up and connected
to as they were checked; what answers with a redirect is not followed.
"""

from __future__ import annotations

import http.client
import re
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

from app.errors import InvalidInput

TIMEOUT = 5.0
"""Seconds that a push service has for each step."""
LONGEST = 2_000
"""Characters of an address."""
VISIBLE = r"^[!-~]+$"
"""What an address is made of: no space, no control character, nothing that a database refuses."""
MOST_ANSWER = 10_000
"""Bytes that are read of an answer."""

Address = IPv4Address | IPv6Address
_TRANSLATED = IPv6Network("64:ff9b::/96")
"""IPv6 addresses that stand for the IPv4 address in their last four bytes."""


class Forbidden(Exception):
    """An address that a push must not go to."""


@dataclass(frozen=True)
class Target:
    """The address of one browser at its push service, in parts."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def origin(self) -> str:
        """What a signature is for."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = self.port == (443 if self.scheme == "https" else 80)
        return f"{self.scheme}://{host}" + ("" if usual else f":{self.port}")


def parse_target(endpoint: str, loopback: bool = False) -> Target:
    """Return an address that a browser named, as far as it can be judged without the network.

    Raises `InvalidInput`. With `loopback`, a service on this machine may do without https: for
    development and tests.
    """
    try:
        parts = urlsplit(endpoint)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise _refused("is no address") from None
    if len(endpoint) > LONGEST or not re.fullmatch(VISIBLE, endpoint):
        raise _refused("is no address of a push service")
    if parts.username is not None or parts.fragment or not host:
        raise _refused("is no address of a push service")
    literal = _literal(host)
    if loopback and literal is not None and literal.is_loopback and parts.scheme == "http":
        return Target("http", host, port or 80, _path(parts.path, parts.query))
    if parts.scheme != "https":
        raise _refused("must begin with https")
    if port not in (None, 443) or (literal is None and "." not in host):
        raise _refused("is no address of a push service")
    if literal is not None and not is_public(literal):
        raise _refused("is no public address")
    return Target("https", host, 443, _path(parts.path, parts.query))


def is_public(address: Address) -> bool:
    """Tell whether an address is one of the internet, and of one host there."""
    if isinstance(address, IPv6Address):
        if address.sixtofour or address.teredo:
            return False
        if address.ipv4_mapped or address in _TRANSLATED:
            address = IPv4Address(address.packed[-4:])
    return address.is_global and not address.is_multicast


def post(target: Target, headers: Mapping[str, str], body: bytes) -> tuple[int, str]:
    """Send a message; returns the status, and what `Retry-After` says.

    Raises `Forbidden` where the name leads to where no push may go, `OSError` where no answer came.
    """
    connection = _connection(target)
    try:
        connection.request("POST", target.path, body, dict(headers))
        answer = connection.getresponse()
        answer.read(MOST_ANSWER)
        return answer.status, answer.headers.get("Retry-After", "")
    except http.client.HTTPException as error:
        raise OSError(f"The answer of a push service could not be read: {error!r}") from error
    finally:
        connection.close()


def _connection(target: Target) -> http.client.HTTPConnection:
    """Connect to an address that was checked, not to whatever the name leads to a moment later."""
    address = str(_checked(target))
    raw = socket.create_connection((address, target.port), TIMEOUT)
    if target.scheme == "http":
        plain = http.client.HTTPConnection(target.host, target.port, timeout=TIMEOUT)
        plain.sock = raw
        return plain
    secure = http.client.HTTPSConnection(target.host, target.port, timeout=TIMEOUT)
    try:
        secure.sock = ssl.create_default_context().wrap_socket(raw, server_hostname=target.host)
    except OSError:
        raw.close()
        raise
    return secure


def _checked(target: Target) -> Address:
    """Return the address to connect to; one name that leads to both sides is not to be trusted."""
    try:
        found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except UnicodeError as error:  # no name that could be looked up
        raise OSError(str(error)) from error
    addresses = [ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
    if target.scheme == "http":  # allowed for this machine only, by a setting
        return next(address for address in addresses if address.is_loopback)
    if not addresses or not all(is_public(address) for address in addresses):
        raise Forbidden(f"{target.host} leads to an address that is not public.")
    return addresses[0]


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _path(path: str, query: str) -> str:
    return (path or "/") + (f"?{query}" if query else "")


def _refused(why: str) -> InvalidInput:
    return InvalidInput("This browser cannot be notified.", {"endpoint": why})
