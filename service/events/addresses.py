"""Which URLs and addresses may be posted to. An owner names a URL, and we stand inside the installation's network: so
only public addresses are allowed, and those of networks that the operator names."""

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

from service.errors import BadInput, ConfigError

Address = IPv4Address | IPv6Address
Networks = Sequence[IPv4Network | IPv6Network]

PRINTABLE = re.compile(r"[\x21-\x7e]+")
HOST = re.compile(r"[A-Za-z0-9._-]{1,253}|[0-9A-Fa-f:.]{2,45}")
PUBLIC_IPV6 = IPv6Network("2000::/3")  # all that is routed in public
NAT64 = IPv6Network("64:ff9b::/96")  # an IPv4 address behind a translator
# Not public, or not one host's, though `is_global` of some Pythons says so.
NEVER = (
    IPv4Network("192.0.0.0/24"),
    IPv4Network("192.88.99.0/24"),
    IPv6Network("2001::/23"),
    IPv6Network("3fff::/20"),
)


def parse_networks(text: str, setting: str = "FENCEPOST_ENDPOINT_NETWORKS") -> Networks:
    """CIDRs, separated by commas; ConfigError names the setting and the one that is none.

    >>> parse_networks("10.1.0.0/16, fd00::/8")
    [IPv4Network('10.1.0.0/16'), IPv6Network('fd00::/8')]
    """
    return [_network(part.strip(), setting) for part in text.split(",") if part.strip()]


def _network(text: str, setting: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text)
    except ValueError as error:
        raise ConfigError(f"{setting}: {error}", hint="CIDRs, as 10.1.0.0/16,fd00::/8") from error


def is_listed(address: Address, networks: Networks) -> bool:
    """Whether the operator allows it, public or not."""
    plain = _unwrapped(address)
    return any(plain in network for network in networks)


def is_public(address: Address) -> bool:
    """Whether the address is one that anybody on the internet may reach. One that carries another within it is what it
    carries.

    >>> [is_public(ip_address(text)) for text in ("93.184.215.14", "::ffff:10.0.0.1", "169.254.169.254", "fd00::1")]
    [True, False, False, False]
    """
    address = _unwrapped(address)
    if isinstance(address, IPv6Address):
        if address in NAT64:
            return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
        if address.sixtofour is not None:
            return is_public(address.sixtofour)
        if address not in PUBLIC_IPV6:
            return False
    return address.is_global and not address.is_multicast and not any(address in network for network in NEVER)


def _unwrapped(address: Address) -> Address:
    """An IPv4 address that is written as an IPv6 one is an IPv4 address: to the system, too."""
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address


def check_url(url: str, networks: Networks) -> str:
    """The URL, which may be posted to as far as its text says; BadInput. What its name resolves to is looked at in each
    attempt."""
    if not PRINTABLE.fullmatch(url):
        raise BadInput("a URL is one word of ASCII", path="url", hint="write its host in Punycode")
    parts = _split(url)
    if parts.username is not None or parts.password is not None:
        raise BadInput("a URL with a user or password is refused", path="url", hint="verify the signature instead")
    if parts.fragment:
        raise BadInput("what follows # is never sent", path="url", hint="leave it out")
    _check_host(parts, networks)
    return url


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        has_host = parts.port != 0 and HOST.fullmatch(parts.hostname or "")
    except ValueError as error:  # of a port that is no number, or brackets that hold no address
        raise BadInput(f"this is no URL: {error}", path="url") from error
    if parts.scheme not in ("http", "https") or not has_host:
        raise BadInput("this is no https:// URL with a host", path="url")
    return parts


def _check_host(parts: SplitResult, networks: Networks) -> None:
    if parts.scheme == "http" and not networks:
        raise BadInput("only https:// is taken", path="url", hint="http:// is for FENCEPOST_ENDPOINT_NETWORKS")
    try:
        address = ip_address(parts.hostname or "")
    except ValueError:
        return  # a name
    if not may_post(parts.scheme, [address], networks):
        hint = "an operator allows networks with FENCEPOST_ENDPOINT_NETWORKS"
        raise BadInput(f"{address} is not a public address", path="url", hint=hint)


def may_post(scheme: str, addresses: Sequence[Address], networks: Networks) -> bool:
    """Whether all of a host's addresses are allowed: in public by https only."""
    return all(is_listed(each, networks) or (scheme == "https" and is_public(each)) for each in addresses)
