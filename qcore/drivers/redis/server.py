"""The way to the server: connections of our own, one round trip a verb, and its errors in our words.

The client library's pool, retries and telemetry stay out: a verb may be repeated, and whoever called it knows when.
"""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Never, cast

from hiredis import pack_command
from redis.exceptions import BusyLoadingError, NoScriptError, RedisError, ResponseError

from qcore.config import mask_url
from qcore.drivers.redis import keys
from qcore.drivers.redis.address import address_of
from qcore.drivers.redis.reasons import reason_of
from qcore.errors import ConnectionFailed

if TYPE_CHECKING:
    from qcore.config import ConnectionSettings
    from qcore.drivers.redis.scripts import Script

Argument = str | bytes | int | float

_packed = cast("Callable[[tuple[Argument, ...]], bytes]", pack_command)


class Link:
    """One connection, made, and whether it is still good."""

    def __init__(self, connection: Any) -> None:  # the library's class is half typed
        self._connection = connection
        self._socket = connection._sock  # noqa: SLF001  the library offers no descriptor to select on
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN)
        self.number: int | None = None
        """The server's number of this connection, once it was asked for."""

    def fileno(self) -> int:
        """The descriptor to select on."""
        return int(self._socket.fileno())

    def is_stale(self) -> bool:
        """Whether the server closed it, or sent what nobody asked for."""
        return bool(self._poll.poll(0))

    def send(self, command: tuple[Argument, ...]) -> None:
        """Write a command."""
        self._connection.send_packed_command((_packed(command),), check_health=False)

    def read(self) -> Any:
        """Wait for the reply to a command."""
        return self._connection.read_response()

    def close(self) -> None:
        """Let go of it."""
        self._connection.disconnect()


class Loan:
    """A connection in somebody's hands; the errors it meets leave as ours."""  # a generator costs twice as much

    def __init__(self, server: Server) -> None:
        self._server = server

    def __enter__(self) -> Link:
        self._link = self._server.borrow()
        return self._link

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None:
            self._server.give_back(self._link)
        elif isinstance(error, ResponseError):
            self._server.refused(self._link, error)
        else:
            self._link.close()
            if isinstance(error, (RedisError, OSError)):
                self._server.lost(error)


class Server:
    """The server of one connection, for any thread of any process.

    Args:
        settings: of the connection; nothing is connected yet.

    Raises:
        ConfigurationError: the URL is no address of a Redis server, of Sentinels or of a Cluster.
    """

    def __init__(self, settings: ConnectionSettings) -> None:
        self.settings = settings
        self.root = keys.root(settings.prefix)
        self._name = f'connection "{settings.name}" ({mask_url(settings.url)})'
        self._address = address_of(settings)
        self._idle: list[Link] = []
        self._pid = os.getpid()

    def run(self, script: Script, arguments: Sequence[Argument]) -> Any:
        """Run a script in one step; the server is taught it where it does not know it.

        Raises:
            ConnectionFailed: the server did not answer or refused.
        """
        tail = (1, self.root, *arguments)
        with self.link() as link:
            try:
                return self._ask(link, ("EVALSHA", script.digest, *tail))
            except NoScriptError:
                return self._ask(link, ("EVAL", script.text, *tail))

    def call(self, *command: Argument) -> Any:
        """Run one plain command; raises `ConnectionFailed`."""
        with self.link() as link:
            return self._ask(link, command)

    def number_of(self, link: Link) -> int:
        """By which number the server knows a connection, to unblock it from another one."""
        if link.number is None:
            link.number = int(self._ask(link, ("CLIENT", "ID")))
        return link.number

    def link(self) -> Loan:
        """Borrow a connection; it comes back unless the server stopped answering on it."""
        return Loan(self)

    def close(self) -> None:
        """Let go of the connections that are not in use."""
        while self._idle:
            self._idle.pop().close()

    @staticmethod
    def _ask(link: Link, command: tuple[Argument, ...]) -> Any:
        link.send(command)
        return link.read()

    def borrow(self) -> Link:
        """A connection that is good as far as can be seen; see `link`."""
        if self._pid != os.getpid():  # the parent goes on using its sockets: a child must not touch them
            self._pid, self._idle = os.getpid(), []
        while (link := self._next_idle()) is not None:
            if not link.is_stale():
                return link
            link.close()
        try:
            return Link(self._address.connect())
        except (RedisError, OSError) as error:
            self.fail(error, may_have_reached=False)

    def _next_idle(self) -> Link | None:
        try:
            return self._idle.pop()
        except IndexError:  # asking first would not do: another thread may come between
            return None

    def give_back(self, link: Link) -> None:
        """Keep a connection for the next who borrows."""
        self._idle.append(link)

    def refused(self, link: Link, error: ResponseError) -> Never:
        """Raise what the server said as ours; where another has the jobs by now, look for that one from here on."""
        if self._address.moves and reason_of(error).is_elsewhere:
            link.close()
            self.close()
            self._address.doubt()
        else:
            self.give_back(link)
        self.fail(error, may_have_reached=False)

    def lost(self, error: Exception) -> Never:
        """Raise as ours that a connection was lost; those not in use led to the same server."""
        if self._address.moves:
            self.close()
        self.fail(error, may_have_reached=not isinstance(error, BusyLoadingError))

    def fail(self, error: Exception, *, may_have_reached: bool) -> Never:
        """Raise an error of the library, or of the socket, as ours."""
        reason = reason_of(error)
        may_be_found = self._address.moves and reason.is_elsewhere
        raise ConnectionFailed(
            f"{self._name}: {reason.text}",
            hint="" if may_be_found else reason.hint,
            may_have_reached=may_have_reached,
            is_refusal=reason.is_refusal and not may_be_found,
        ) from error
