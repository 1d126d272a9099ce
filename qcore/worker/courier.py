"""A process of the supervisor's own that asks the stores, so that one that does not answer holds up nobody.

It has a thread for each connection: a supervisor must have none, for it forks, and could not wait for a store either,
for it judges its children meanwhile. It ignores every signal, and ends with the supervisor's end of its socket.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import select
import signal
import socket
import struct
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, NoReturn

import msgspec

from qcore.config import ConnectionSettings
from qcore.drivers import Store, open_store
from qcore.errors import QueueError
from qcore.worker.children import end_with_parent, flush_streams, name_process, signals_held
from qcore.worker.errands import Errand

NAME = b"qctl-pulse"
_SIZE = struct.Struct("<I")
_AT_ONCE = 2**16
_ENDS_WITHIN_S = 0.2
_IGNORED = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGHUP,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGPIPE,
)


Opened = Callable[[ConnectionSettings], Store]
"""Opens the store of a connection."""


class Answer(msgspec.Struct, frozen=True, array_like=True):
    """What became of an errand."""

    number: int
    """Of the errand."""
    value: Any = None
    trouble: str | None = None
    """Why the store was not reached, or what it refused."""


class Courier:
    """Runs errands to the stores, those of a connection in order. Nothing here ever waits for a store.

    The process is made when the first errand is given, and made again should it die.

    Args:
        settings: of the connections, by name.
        opened: gives the store of a connection; called in the process that asks it.
    """

    def __init__(self, settings: Mapping[str, ConnectionSettings], opened: Opened = open_store) -> None:
        self._settings = settings
        self._opened = opened
        self._pid = 0
        self._socket: socket.socket | None = None
        self._outgoing = bytearray()
        self._incoming = bytearray()
        self._dead: list[int] = []
        self._given = 0
        self._under_way: set[int] = set()

    def give(self, connection: str, errand: Errand) -> int:
        """Let an errand be run on a connection; returns its number, which the answer bears.

        Raises:
            OSError: the process could not be made.
        """
        if self._socket is None:
            self._start()
        self._given += 1
        data = pickle.dumps((self._given, connection, errand))
        self._outgoing += _SIZE.pack(len(data)) + data
        self._under_way.add(self._given)
        self._push()
        return self._given

    def answers(self) -> list[Answer]:
        """Return the answers that came since the last call; errands that died with the process have failed."""
        self._push()
        is_over = self._pull()
        found = [pickle.loads(data) for data in _cut(self._incoming)]  # noqa: S301  from our own process
        self._under_way.difference_update(answer.number for answer in found)
        if is_over:
            found += [Answer(number, trouble="the process that asks the stores died") for number in self._under_way]
            self._let_go()
        self._dead = [pid for pid in self._dead if not _is_reaped(pid)]
        return found

    def wait(self, timeout_s: float) -> list[Answer]:
        """Wait for an answer up to `timeout_s` seconds; returns those that came, as `answers` does."""
        if self._socket is not None:
            select.select([self._socket], [], [], timeout_s)
        return self.answers()

    def close(self) -> None:
        """End the process at once, whatever it is about; a new errand makes a new one."""
        self.kill()
        self._let_go()

    def kill(self) -> None:
        """End the process; what is under way has failed, as the next answers say."""
        if self._socket is not None:
            os.kill(self._pid, signal.SIGKILL)

    def _let_go(self) -> None:
        """Forget the process, which ends."""
        if self._socket is None:
            return
        self._socket.close()
        self._socket = None
        for buffer in (self._outgoing, self._incoming, self._under_way):
            buffer.clear()
        until = time.monotonic() + _ENDS_WITHIN_S
        while not _is_reaped(self._pid):
            if time.monotonic() > until:  # stuck in the kernel
                self._dead.append(self._pid)
                return
            time.sleep(0.005)

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        ours.settimeout(0.0)
        _ours.add(ours)
        flush_streams()
        parent = os.getpid()
        with signals_held():
            try:
                pid = os.fork()
            except OSError:
                ours.close()
                theirs.close()
                raise
            if not pid:
                _live(theirs, self._settings, self._opened, parent)
        theirs.close()
        self._pid, self._socket = pid, ours

    def _push(self) -> None:
        """Send what is still to be sent, as far as it goes at once."""
        with contextlib.suppress(BlockingIOError, ConnectionError):
            while self._socket is not None and self._outgoing:
                sent = self._socket.send(self._outgoing[:_AT_ONCE])
                del self._outgoing[:sent]

    def _pull(self) -> bool:
        """Take in what there is; whether the process has ended."""
        with contextlib.suppress(BlockingIOError):
            while self._socket is not None:
                try:
                    data = self._socket.recv(_AT_ONCE)
                except ConnectionError:
                    data = b""
                if not data:
                    return True
                self._incoming += data
        return False


# -- the process -------------------------------------------------------------------------------------------------------

_ours: weakref.WeakSet[socket.socket] = weakref.WeakSet()
"""The supervisor's ends: no child may inherit one, for it is by its closing that a courier ends."""


def _forget() -> None:
    for one in list(_ours):
        one.close()


os.register_at_fork(after_in_child=_forget)


def _live(line: socket.socket, settings: Mapping[str, ConnectionSettings], opened: Opened, parent: int) -> NoReturn:
    try:
        _settle_in(parent)
        _serve(line, settings, opened)
    finally:
        os._exit(0)


def _settle_in(parent: int) -> None:
    """Undo what was the supervisor's; die when it dies."""
    signal.set_wakeup_fd(-1)
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    for number in (signal.SIGCHLD, signal.SIGCONT):
        signal.signal(number, signal.SIG_DFL)
    end_with_parent()
    name_process(NAME)
    if os.getppid() != parent:  # it died before that took hold
        os._exit(1)


def _serve(line: socket.socket, settings: Mapping[str, ConnectionSettings], opened: Opened) -> None:
    """Hand what comes to the thread of its connection, until nothing will come any more."""
    sending = threading.Lock()
    errands: dict[str, SimpleQueue[tuple[int, Errand]]] = {name: SimpleQueue() for name in settings}
    for name, queue in errands.items():
        args = (line, sending, partial(opened, settings[name]), name, queue)
        threading.Thread(target=_ask, args=args, name=f"qcore-pulse-{name}", daemon=True).start()
    incoming = bytearray()
    while data := line.recv(_AT_ONCE):
        incoming += data
        for one in _cut(incoming):
            number, connection, errand = pickle.loads(one)  # noqa: S301  from our own supervisor
            errands[connection].put((number, errand))


def _ask(
    line: socket.socket,
    sending: threading.Lock,
    opened: Callable[[], Store],
    connection: str,
    errands: SimpleQueue[tuple[int, Errand]],
) -> None:
    """Run the errands of one connection. When one fails, those behind it have failed: each would wait as long."""
    store: Store | None = None
    while True:
        numbers = []
        number, errand = errands.get()
        numbers.append(number)
        value, trouble = None, None
        try:
            store = store or opened()
            value = errand(store)
        except QueueError as error:
            trouble = error.message
        except Exception as error:  # noqa: BLE001  this thread must live, and the supervisor hear of it
            trouble = f'connection "{connection}": {type(error).__name__}: {error}'
        if trouble is not None:
            numbers += _rest(errands)
        data = b"".join(_framed(Answer(one, value, trouble)) for one in numbers)
        with sending, contextlib.suppress(OSError):
            line.sendall(data)


def _rest(errands: SimpleQueue[tuple[int, Errand]]) -> Sequence[int]:
    numbers = []
    with contextlib.suppress(Empty):
        while True:
            numbers.append(errands.get_nowait()[0])
    return numbers


def _framed(answer: Answer) -> bytes:
    data = pickle.dumps(answer)
    return _SIZE.pack(len(data)) + data


def _cut(data: bytearray) -> list[bytes]:
    """Take the whole messages off the front."""
    found = []
    while len(data) >= _SIZE.size:
        (size,) = _SIZE.unpack_from(data)
        end = _SIZE.size + size
        if len(data) < end:
            break
        found.append(bytes(data[_SIZE.size : end]))
        del data[:end]
    return found


def _is_reaped(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] != 0
    except ChildProcessError:
        return True
