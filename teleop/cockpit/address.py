"""Where the page can be reached: what to bind to, under which names, and the addresses to print."""

import errno
import fcntl
import ipaddress
import socket
import struct
import sys
from dataclasses import dataclass
from pathlib import Path

from leash_robot.robot.errors import OperatorError

PORT = 8420
SIOCGIFADDR = 0x8915
"""ioctl for an interface's IPv4 address (linux/sockios.h)."""

INET6 = Path("/proc/net/if_inet6")
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True)
class PageLocation:
    """A listening socket and what it is called."""

    listener: socket.socket
    names: tuple[str, ...]
    """Names under which the page may be asked for, besides loopback and our own addresses."""
    hosts: tuple[str, ...]
    """What to print in an address, the best one first; each can be opened."""


def serve_at(host: str, port: int | None) -> PageLocation:
    """Bind to a name or an address. Raises OperatorError where a page served there could not be opened."""
    address = resolved(host)
    listener = listen(str(address), port)
    if address.is_loopback:
        return PageLocation(listener, (), (str(address),))
    names = (socket.gethostname().lower(), f"{socket.gethostname()}.local".lower())
    if not address.is_unspecified:
        return PageLocation(listener, (host.lower(), *names), (str(address),))
    loopback = "::1" if address.version == 6 else "127.0.0.1"
    return PageLocation(listener, names, (*own_addresses(address.version), loopback))


def resolved(host: str) -> Address:
    """The address that a name stands for. Raises OperatorError for one at which nobody could open a page."""
    plain = host.strip().removeprefix("[").removesuffix("]")
    try:
        if not plain:
            raise OSError("it is empty")
        found = socket.getaddrinfo(plain, None, type=socket.SOCK_STREAM)[0][4][0]
        address = ipaddress.ip_address(found)
    except (OSError, ValueError, UnicodeError) as error:
        raise OperatorError(
            f"--page-host {host!r} is no address of this computer: {error}; give one such as 192.168.1.7, or 0.0.0.0"
        ) from None
    if address.is_loopback and not _means_loopback(plain):
        raise OperatorError(
            f"--page-host {host} stands for {address}, which no other computer can reach; give this computer's address "
            "in the network, or 0.0.0.0 for all of them"
        )
    if address.is_link_local and address.version == 6:
        raise OperatorError(f"--page-host {host}: browsers open no link-local address; give another, or ::")
    return address


def _means_loopback(host: str) -> bool:
    """Whether somebody who wrote this wanted loopback, rather than a name that happens to stand for it."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.rstrip(".").lower() == "localhost"


def listen(host: str, port: int | None) -> socket.socket:
    """A listening socket; without a port, one of our own choice. Raises OperatorError."""
    six = ":" in host
    try:
        family = socket.AF_INET6 if six else socket.AF_INET
        return socket.create_server(
            (host, PORT if port is None else port), family=family, dualstack_ipv6=six and host == "::"
        )
    except (OSError, OverflowError, ValueError) as error:
        if port is None and getattr(error, "errno", None) == errno.EADDRINUSE:
            return listen(host, 0)
        why = (
            "it is no address of this computer" if getattr(error, "errno", None) == errno.EADDRNOTAVAIL else str(error)
        )
        remedy = "give another --page-host" if "no address" in why else "give another port"
        raise OperatorError(f"cannot serve the page on {host} port {port}: {why}; {remedy}") from None


def own_addresses(version: int) -> tuple[str, ...]:
    """Our addresses in the networks that we are in, those of version 4 first, which people can type."""
    four = [str(address) for address in _four() if not address.is_loopback]
    six = [str(address) for address in _six()] if version == 6 else []
    return tuple(dict.fromkeys([*four, *six]))


def _four() -> list[ipaddress.IPv4Address]:
    """Of each interface; where the system does not tell by interface, of this computer's own name."""
    if sys.platform != "linux":
        found = socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET, socket.SOCK_STREAM)
        return [ipaddress.IPv4Address(each[4][0]) for each in found]
    addresses: list[ipaddress.IPv4Address] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        for _, name in socket.if_nameindex():
            try:
                told = fcntl.ioctl(asking.fileno(), SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
            except OSError:
                continue  # it has none
            addresses.append(ipaddress.IPv4Address(told[20:24]))
    return addresses


def _six() -> list[ipaddress.IPv6Address]:
    """Those of the kernel's table that a browser can open."""
    lines = INET6.read_text().split("\n") if INET6.exists() else []
    found = [ipaddress.IPv6Address(int(line.split()[0], 16)) for line in lines if line]
    return [address for address in found if not (address.is_loopback or address.is_link_local)]
