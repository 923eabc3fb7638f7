"""Connections to public addresses alone: a name is resolved once, and connected to the address that was checked.

A url of a feed or a list is a stranger's: it must not reach this machine, its private network, or the metadata service
of a cloud.  The check is at the connection, so that redirects, and names that resolve otherwise the second time
(DNS rebinding), are covered.  Addresses of IPv4 inside those of IPv6 are checked too.
"""

import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.util.connection import create_connection

_NAT64 = IPv6Network("64:ff9b::/96")
_POOLS, _CONNECTIONS_A_HOST = 32, 8


class PrivateAddress(Exception):
    """A host has no public address."""


def pools(private: bool) -> PoolManager:
    """Connections that are kept open, at most a few for each host; to any address where `private` is allowed."""
    found = PoolManager(_POOLS, maxsize=_CONNECTIONS_A_HOST)
    if not private:
        found.pool_classes_by_scheme = {"http": _PublicPool, "https": _PublicTlsPool}
    return found


def is_public(address: str) -> bool:
    """Whether an address of IPv4 or IPv6 is one of the public network."""
    found = ip_address(address.partition("%")[0])
    return all(one.is_global and not one.is_multicast for one in (found, *_inside(found)))


def _inside(address: IPv4Address | IPv6Address) -> list[IPv4Address]:
    """The addresses of IPv4 that one of IPv6 leads to."""
    if isinstance(address, IPv4Address):
        return []
    nat64 = IPv4Address(int(address) & 0xFFFF_FFFF) if address in _NAT64 else None
    return [one for one in (address.ipv4_mapped, address.sixtofour, *(address.teredo or ()), nat64) if one is not None]


class _Checked(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        try:
            found = socket.getaddrinfo(self._dns_host, self.port, type=socket.SOCK_STREAM)
        except (socket.gaierror, UnicodeError) as error:
            unknown = error if isinstance(error, socket.gaierror) else socket.gaierror(socket.EAI_NONAME, "no name")
            raise NameResolutionError(self.host, self, unknown) from error
        public = [address for address in dict.fromkeys(str(one[4][0]) for one in found) if is_public(address)]
        if not public:
            raise PrivateAddress(self.host)
        return self._connected(public)

    def _connected(self, addresses: list[str]) -> socket.socket:
        """To the first that answers."""
        for address in addresses:
            try:
                return create_connection((address, self.port), self.timeout, socket_options=self.socket_options)
            except OSError as error:
                failure = error
        if isinstance(failure, TimeoutError):
            raise ConnectTimeoutError(self, f"{self.host}: no connection in {self.timeout} s") from failure
        raise NewConnectionError(self, f"{self.host}: {failure.strerror}") from failure


class _CheckedTls(_Checked, HTTPSConnection):  # the certificate is that of the name
    pass


class _PublicPool(HTTPConnectionPool):
    ConnectionCls = _Checked


class _PublicTlsPool(HTTPSConnectionPool):
    ConnectionCls = _CheckedTls
