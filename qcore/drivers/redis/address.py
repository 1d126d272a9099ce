"""Where the server is: at one address, at the one that Sentinels name, or at the node of a Cluster with our keys."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from urllib.parse import urlsplit

from redis.backoff import NoBackoff
from redis.connection import Connection, parse_url
from redis.crc import key_slot
from redis.retry import Retry

from qcore.config import mask_url
from qcore.drivers.redis import keys
from qcore.drivers.redis.seeking import ByCluster, BySentinel, Endpoint, Make, connected
from qcore.errors import ConfigurationError

if TYPE_CHECKING:
    from qcore.config import ConnectionSettings

_parsed: Callable[[str], dict[str, Any]] = parse_url
_slot_of: Callable[[bytes], int] = key_slot
_SENTINELS = "sentinel_"
"""What the Sentinels want to know has this before its name: `?sentinel_password=…`."""


class Address(Protocol):
    """Leads to the server that has the jobs."""

    moves: bool
    """Whether it may be another one tomorrow."""

    def connect(self) -> Any:
        """A connection to it; raises what the library, or the socket, raises."""

    def doubt(self) -> None:
        """Take note that it was not the one: whoever named it is asked last from now on."""


class Fixed:
    """One server, for good."""

    moves = False

    def __init__(self, make: Make) -> None:
        self._make = make

    def connect(self) -> Any:
        """Connect to it."""
        return connected(self._make())

    def doubt(self) -> None:
        """There is no other."""


class _Form(NamedTuple):
    """One way to write an address."""

    what: str
    example: str
    read: Callable[[ConnectionSettings], Address]


def address_of(settings: ConnectionSettings) -> Address:
    """Read the address of a connection; what the URL says is tried out, and nothing connected.

    Raises:
        ConfigurationError: it is none of a Redis server, of Sentinels or of a Cluster.
    """
    kind = settings.url.partition("://")[0].partition("+")[2]
    form = _FORMS.get(kind, _FORMS[""])
    try:
        return form.read(settings)
    except (ValueError, TypeError) as error:
        raise ConfigurationError(
            f'connection "{settings.name}": "{mask_url(settings.url)}" is no address of {form.what}: {error}',
            hint=f"give {form.example}",
        ) from error


def _fixed(settings: ConnectionSettings) -> Address:
    return Fixed(_maker(settings, _parsed(settings.url)))


def _by_sentinel(settings: ConnectionSettings) -> Address:
    url = urlsplit(settings.url)
    name, _, number = url.path.strip("/").partition("/")
    if not name:
        raise ValueError("it names no master")
    options, guides = _options(settings.url, _database(number)), _endpoints(url.netloc, 26379)
    of_sentinels = {key.removeprefix(_SENTINELS): options.pop(key) for key in [*options] if key.startswith(_SENTINELS)}
    for_sentinels = {**options, "db": 0, "username": None, "password": None, **of_sentinels}
    return BySentinel(guides, _asker(settings, for_sentinels, guides), _maker(settings, options), name=name)


def _by_cluster(settings: ConnectionSettings) -> Address:
    url = urlsplit(settings.url)
    if _database(url.path.strip("/")):
        raise ValueError("a cluster has no databases but 0")
    options, guides = _options(settings.url, 0), _endpoints(url.netloc, 6379)
    slot = _slot_of(keys.root(settings.prefix).encode())
    return ByCluster(guides, _asker(settings, options, guides), _maker(settings, options), slot=slot)


_FORMS = {
    "": _Form("a Redis server", "redis://host:port/db", _fixed),
    "sentinel": _Form("Sentinels", "redis+sentinel://host:26379,host:26379/name-of-master/db", _by_sentinel),
    "cluster": _Form("a Cluster", "redis+cluster://host:6379,host:6379", _by_cluster),
}
"""By what stands after the "+" of the scheme."""


def _options(url: str, database: int) -> dict[str, Any]:
    """What a URL with several hosts says to each connection."""
    parts = urlsplit(url)
    user = parts.netloc.rpartition("@")[0]
    scheme = parts.scheme.partition("+")[0]
    return _parsed(f"{scheme}://{user and user + '@'}/{database}?{parts.query}")


def _database(text: str) -> int:
    if text and not text.isdecimal():
        raise ValueError(f'"{text}" is no number of a database')
    return int(text or 0)


def _endpoints(netloc: str, port: int) -> list[Endpoint]:
    found = [urlsplit(f"//{host}") for host in netloc.rpartition("@")[2].split(",")]
    if not all(one.hostname for one in found):
        raise ValueError("a host is missing")
    return [Endpoint(one.hostname or "", one.port or port) for one in found]


def _maker(settings: ConnectionSettings, options: dict[str, Any], patience_s: float | None = None) -> Make:
    """What makes connections with these options of the library; they are tried out."""
    wait_s = settings.timeout_s if patience_s is None else patience_s
    patience: dict[str, Any] = {"socket_timeout": wait_s, "socket_connect_timeout": wait_s}
    kind = options.get("connection_class", Connection)
    if "path" not in options:  # of a socket in the file system
        patience["socket_keepalive"] = True
    own = {"protocol": 2, "driver_info": None, "decode_responses": False, "retry": Retry(NoBackoff(), 0)}
    rest = {key: value for key, value in options.items() if key != "connection_class"}
    make = partial(kind, **{**patience, **rest, **own})
    make()
    return make


def _asker(settings: ConnectionSettings, options: dict[str, Any], guides: Sequence[Endpoint]) -> Make:
    """What makes connections to guides: all of them together may take as long as a server may."""
    return _maker(settings, options, settings.timeout_s / len(guides))
