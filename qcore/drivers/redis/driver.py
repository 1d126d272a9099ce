"""What a producer and a worker ask of the store: one script a verb, one round trip a call."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from qcore.drivers.base import ASK_AGAIN_US, MAX_RECLAIM, MAX_RESERVE, Capabilities
from qcore.drivers.redis.reasons import queue_full
from qcore.drivers.redis.scripts import script
from qcore.drivers.redis.server import Server
from qcore.drivers.redis.wakeup import Wakeup
from qcore.drivers.redis.wire import groups_of, leases_of, settlements_of, unpack_definition
from qcore.envelope import Exclusive, Started, StartVerdict
from qcore.errors import ConfigurationError
from qcore.records import limit_in_force

if TYPE_CHECKING:
    from qcore.config import ConnectionSettings
    from qcore.drivers.redis.server import Argument
    from qcore.envelope import Envelope, Lease, Start
    from qcore.limits import Limit
    from qcore.settlement import Settlement


class RedisDriver:
    """The `Driver` face.

    A lease's token is `{worker}/{request}`, so repeating a request can find what it gave.
    """

    capabilities = Capabilities(durable=True, shared=True, transactional=False)

    def __init__(self, settings: ConnectionSettings) -> None:
        self._settings = settings
        self._server = Server(settings)
        self._wakeup = Wakeup(self._server)
        self._lease_us = round(settings.lease_s * 1_000_000)

    def push(self, envelopes: Sequence[Envelope], *, within: Any = None, repeat: bool = False) -> Sequence[str | None]:
        """Store all the envelopes or none, each id once; see `Driver.push`."""
        del repeat  # the jobs that ended are looked among at no further cost
        self._refuse_transaction(within)
        if any(envelope.unique is not None for envelope in envelopes):
            return self._claim(envelopes)
        full = self._server.run(script("push"), groups_of(envelopes)) if envelopes else None
        if full:
            raise queue_full(*full)
        return [envelope.id for envelope in envelopes]

    def reserve(self, queues: Sequence[str], limit: int, worker: str, request: int) -> Sequence[Lease]:
        """Lease up to `limit` due jobs; see `Driver.reserve`."""
        reply = self._server.run(script("reserve"), self._request(queues, limit, worker, request))
        return leases_of(reply, _token(worker, request))

    def start(self, starts: Sequence[Start]) -> Sequence[Started]:
        """Let leased jobs begin that need something first; see `Driver.start`."""
        arguments: list[Argument] = [ASK_AGAIN_US]
        for start in starts:
            exclusive = start.exclusive or Exclusive("")
            arguments += (start.id, start.token, start.lock or "", exclusive.key, exclusive.expire_us)
            arguments += ("1" if start.ahead else "0", len(start.limits))
            for limit in start.limits:
                arguments += (limit.key, limit.most, limit.window_us, int(limit.strategy), limit.queue or "")
        told = iter(self._server.run(script("start"), arguments)) if starts else iter(())
        return [_started(wait, bool(is_slot)) for wait, is_slot in zip(told, told, strict=True)]

    def limited(self, queues: Sequence[str]) -> Mapping[str, Limit]:
        """Read the limits of queues, of those that have one; see `Driver.limited`."""
        told = iter(self._server.run(script("limited"), queues)) if queues else iter(())
        found = zip(queues, zip(told, told, strict=True), strict=True)
        limits = {queue: limit_in_force(unpack_definition(said), own or None) for queue, (said, own) in found}
        return {queue: limit for queue, limit in limits.items() if limit is not None}

    def settle(self, settlements: Sequence[Settlement], *, within: Any = None) -> Sequence[Settlement]:
        """Apply the ends of many attempts; see `Driver.settle`."""
        self._refuse_transaction(within)
        if not settlements:
            return []
        arguments, ordered = settlements_of(settlements, measured=self._server.settings.metrics)
        refused = self._server.run(script("settle"), arguments)
        return [ordered[position - 1] for position in refused]

    def settle_and_reserve(
        self, settlements: Sequence[Settlement], queues: Sequence[str], limit: int, worker: str, request: int
    ) -> tuple[Sequence[Settlement], Sequence[Lease]]:
        """Do both in one step; see `Driver.settle_and_reserve`."""
        arguments, ordered = settlements_of(settlements, measured=self._server.settings.metrics)
        arguments += self._request(queues, limit, worker, request)
        refused, reply = self._server.run(script("settle_and_reserve"), arguments)
        return [ordered[position - 1] for position in refused], leases_of(reply, _token(worker, request))

    def session(self) -> Any:
        """There is none; see `Driver.session`."""
        raise self._no_transactions("a job's transaction() needs a database connection")

    def heartbeat(self, worker: str, leases: Sequence[Lease], started: Collection[str] = ()) -> Mapping[str, bool]:
        """Keep leases alive for another term; see `Driver.heartbeat`."""
        arguments: list[Argument] = [self._lease_us]
        for lease in leases:
            if lease.token.rpartition("/")[0] == worker:
                arguments += (lease.id, lease.token, "1" if lease.id in started else "0")
        if len(arguments) == 1:
            return {}
        told = iter(self._server.run(script("heartbeat"), arguments))
        return {job_id.decode(): hard == b"1" for job_id, hard in zip(told, told, strict=True)}

    def reclaim(self) -> Sequence[str]:
        """Give back jobs whose lease ran out; see `Driver.reclaim`."""
        return _ids(self._server.run(script("reclaim"), [MAX_RECLAIM]))

    def forfeit(self, worker: str, charged: Mapping[str, str]) -> int:
        """Give back every lease of a dead worker at once; see `Driver.forfeit`."""
        arguments: list[Argument] = [worker]
        for job_id, reason in charged.items():
            arguments += (job_id, reason)
        return int(self._server.run(script("forfeit"), arguments))

    def wait(self, queues: Sequence[str], timeout_s: float) -> bool:
        """Return when there may be work, or after `timeout_s` seconds; see `Driver.wait`."""
        return self._wakeup.wait(queues, timeout_s)

    def wake(self) -> None:
        """End this process's `wait` at once; see `Driver.wake`."""
        self._wakeup.wake()

    def get_ready(self) -> None:
        """Build nothing: the scripts are the server's."""

    def migrate(self) -> Sequence[str]:
        """Apply nothing: there is no schema."""
        return ()

    def close(self) -> None:
        """Let go of every connection; the driver opens them anew when used again."""
        self._wakeup.close()
        self._server.close()

    def _claim(self, envelopes: Sequence[Envelope]) -> Sequence[str | None]:
        """Push what needs unique locks, and what comes with it."""
        outcome, *told = self._server.run(script("claim"), groups_of(envelopes))
        if outcome == b"full":
            raise queue_full(*told)
        refused = set(_ids(told))
        return [None if envelope.id in refused else envelope.id for envelope in envelopes]

    def _request(self, queues: Sequence[str], limit: int, worker: str, request: int) -> list[Argument]:
        return [worker, request, max(1, min(limit, MAX_RESERVE)), self._lease_us, *queues]

    def _refuse_transaction(self, within: Any) -> None:
        if within is not None:
            raise self._no_transactions("dispatch without session=, or use a database connection")

    def _no_transactions(self, hint: str) -> ConfigurationError:
        where = f'connection "{self._settings.name}"'
        return ConfigurationError(f"{where}: only database connections take part in a transaction", hint=hint)


def _token(worker: str, request: int) -> str:
    return f"{worker}/{request}"


def _started(answer: int, is_slot: bool) -> Started:
    if answer >= 0:
        return Started(StartVerdict.LATER, answer, is_slot)
    return Started(StartVerdict.STARTED if answer == -1 else StartVerdict.LOST)


def _ids(reply: Sequence[bytes]) -> list[str]:
    return [job_id.decode() for job_id in reply]
