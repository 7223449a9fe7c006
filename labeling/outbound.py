"""Posting to an address that a user named, without becoming their hand inside the network.

The host is looked up once, each address it has must be a public one, and the connection
goes to exactly the address that was checked: a name that changes its mind between check and use
(DNS rebinding) leads nowhere else. Redirects are not followed, and little of an answer is read.
"""

import socket
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit, urlunsplit

import httpx

from labeling import sayings

SECONDS = 10.0  # for a whole delivery
MOST_READ = 500  # bytes of an answer, for whoever looks for what went wrong
TRANSLATED = ip_network("64:ff9b::/96")  # IPv4 behind IPv6 (RFC 6052): the last 32 bits

Resolver = Callable[[str, int], list[str]]


class NotReachable(Exception):
    """The address can't or must not be reached; the message is a saying, or httpx's own words."""


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    text: str

    @property
    def accepted(self) -> bool:
        return 200 <= self.status < 300


def addresses_of(host: str, port: int) -> list[str]:
    """All addresses that a name has now."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the internet: not to this machine, nor to a network of it.

    Addresses that hold another one (IPv4 in IPv6) are what they hold.
    """
    ip: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if ip in TRANSLATED:
            inner = IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def check_address(url: str) -> tuple[str, int]:
    """Host and port of an address that one may post to, before it is looked up.

    Raises:
        NotReachable: no http or https, no host, or a user name in it.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise NotReachable(sayings.NO_ADDRESS()) from None
    if parts.scheme not in ("http", "https") or not host:
        raise NotReachable(sayings.NO_WEB_ADDRESS())
    if parts.username is not None or parts.password is not None:
        raise NotReachable(sayings.HOLDS_PASSWORD())
    return host, port or (443 if parts.scheme == "https" else 80)


def reach(url: str, private: Collection[str], resolve: Resolver = addresses_of) -> str:
    """The IP address to connect to.

    Args:
        private: hosts that may lie in a private network.

    Raises:
        NotReachable: the name is not known, or one of its addresses is not public.
    """
    host, port = check_address(url)
    try:
        found = resolve(host, port)
    except OSError:
        raise NotReachable(sayings.UNKNOWN_HOST(host=host)) from None
    if not found:
        raise NotReachable(sayings.UNKNOWN_HOST(host=host))
    if host not in private and not all(map(is_public, found)):
        raise NotReachable(sayings.PRIVATE_HOST(host=host))
    return found[0]


def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    private: Collection[str] = (),
    resolve: Resolver = addresses_of,
) -> Answer:
    """Send once.

    Raises:
        NotReachable: see `reach`; or the connection failed or took too long.
    """
    address = reach(url, private, resolve)
    parts = urlsplit(url)
    host = parts.hostname or ""
    literal = f"[{address}]" if ":" in address else address
    place = f"{literal}:{parts.port}" if parts.port else literal
    to = urlunsplit((parts.scheme, place, parts.path or "/", parts.query, ""))
    name = f"[{host}]" if ":" in host else host
    sent = {**headers, "Host": f"{name}:{parts.port}" if parts.port else name}
    try:
        # The certificate is checked against the name, though the connection goes to the address.
        # No proxy or password of this machine's environment is used.
        with (
            httpx.Client(timeout=SECONDS, follow_redirects=False, trust_env=False) as client,
            client.stream(
                "POST", to, content=body, headers=sent, extensions={"sni_hostname": host}
            ) as response,
        ):
            text = next(response.iter_bytes(MOST_READ), b"")[:MOST_READ]
            return Answer(response.status_code, text.decode("utf-8", "replace"))
    except httpx.TimeoutException:
        raise NotReachable(sayings.NO_ANSWER(seconds=f"{SECONDS:.0f}")) from None
    except (httpx.HTTPError, httpx.InvalidURL) as problem:
        raise NotReachable(str(problem) or type(problem).__name__) from None
