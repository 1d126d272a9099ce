"""One attempt, from lease to settlement: verify, judge, build, run, judge again."""

from __future__ import annotations

import logging
import time
import traceback
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from qcore.codec import encode_value
from qcore.config import ConnectionSettings
from qcore.envelope import Lease
from qcore.errors import (
    AttemptEnded,
    PayloadError,
    PayloadTooLargeError,
    PermissionDenied,
    QueueError,
    SignatureError,
    words_of,
)
from qcore.events import listeners
from qcore.jobs.context import Desk, Discreet, JobContext
from qcore.jobs.loops import hush
from qcore.jobs.options import NONE, JobOptions
from qcore.jobs.packing import PAYLOAD_LIMIT, Payload, build, unpack
from qcore.jobs.running import run
from qcore.manager.definitions import defined
from qcore.records import Failure, pack_history
from qcore.settlement import Settlement
from qcore.states import Outcome
from qcore.worker import telling
from qcore.worker.attempt import Attempt
from qcore.worker.deadline import Cancelled, Interrupted
from qcore.worker.ends import cut, failures_of, handed_back, kind_of, log_of_attempt
from qcore.worker.lane import Lane
from qcore.worker.membership import excuses, growth_of
from qcore.worker.options import WorkerOptions
from qcore.worker.place import Place
from qcore.worker.starting import Starter
from qcore.worker.verdict import Rules, Verdict, after_error, refusal, rules, was_told

if TYPE_CHECKING:
    from qcore.manager import QueueManager

_log = logging.getLogger("qcore.worker")
_COMPLETED = Verdict(Outcome.COMPLETED)


class AnyDeadline(Protocol):
    """Ends an attempt that takes too long, in whatever thread it runs."""

    def begin(self, limit_s: float) -> None:
        """Let an attempt begin that may take so many seconds; 0: any."""
        ...

    def end(self) -> None:
        """Let the attempt be over."""
        ...


class Runner:
    """Runs attempts of one lane.

    An attempt is `prepare`, then its job run by whoever called, then `finish` or `fail`; `run` does them all.

    Args:
        manager: whose keys and entities they use.
        lane: where the leases come from.
        options: of the worker.
    """

    def __init__(self, manager: QueueManager, lane: Lane, options: WorkerOptions) -> None:
        self._manager = manager
        manager.trace()
        self._lane = lane
        lane.manager = manager
        self._connection: ConnectionSettings = lane.settings
        self._options = options
        self._keyring = manager.keyring(lane.settings.name)
        self._opener = manager.opener(lane.settings.name, options.grants)
        self._usual_timeout_s = rules(None, None, options, None).timeout_s
        self._plain: dict[str, Rules] = {}
        self._rules_version = -1
        self._starter = Starter(lane, self._options_of)

    def run(self, lease: Lease, deadline: AnyDeadline, place: Place) -> Settlement:
        """Run one attempt here; whatever the job does, this returns its end."""
        attempt = Attempt(lease)
        usual_s = self._usual_timeout_s
        place.begin(lease, usual_s)  # before anything of the user's is imported or called
        try:
            ended = self.prepare(attempt)
            if ended is not None:
                return ended
            if attempt.held.timeout_s != usual_s:
                place.begin(lease, attempt.held.timeout_s)
            return self.run_prepared(attempt, deadline, place)
        except BaseException as error:  # noqa: BLE001  whatever a job raises is its own end, not the worker's
            return self.fail(attempt, error)
        finally:
            place.end()

    def run_prepared(self, attempt: Attempt, deadline: AnyDeadline, place: Place) -> Settlement:
        """Run an attempt's job in this thread and settle it."""
        try:
            if self.needs_start(attempt) and (kept_back := self.start(attempt, place)) is not None:
                return kept_back
            self.begins(attempt)
            deadline.begin(attempt.held.timeout_s)
            try:
                result = run(attempt.job, attempt.context, attempt.held.timeout_s)  # type: ignore[arg-type]  # prepared
            finally:
                deadline.end()
            return self.finish(attempt, result)
        except BaseException as error:  # noqa: BLE001  as above
            return self.fail(attempt, error)

    def prepare(self, attempt: Attempt) -> Settlement | None:
        """Verify, judge and build; returns the attempt's end where its job must not run."""
        lease = attempt.lease
        payload = unpack(lease, self._keyring)
        attempt.payload = payload
        attempt.held = held = self._rules(lease.queue, payload)
        if lease.cancel_requested or lease.id in self._lane.cancelled:
            return self.left_out(attempt)
        desk = self._lane if payload.guard is None else self._guarded(attempt, payload)
        if lease.attempts or lease.crashes or lease.reclaims or payload.options is not None:
            refused = refusal(lease, held)  # of a plain job's first try there is nothing to refuse
            if refused is not None:
                return self._refuse(attempt, refused)
        manager = self._manager
        attempt.job = build(
            payload, manager.load_entity, classes=manager.classes, keyring=self._keyring, listed_as=lease.job
        )
        attempt.context = JobContext(lease.id, lease.attempts + 1, lease.queue, desk, attempt.began)
        attempt.context.flow = lease.flow
        return None

    def _guarded(self, attempt: Attempt, payload: Payload) -> Desk:
        """See that a guarded job may run here; returns the desk at which it says nothing of what is hidden."""
        try:
            self._opener.check(payload)
        except PermissionDenied:
            attempt.payload = None  # no code of the job is to run here: its failed() neither
            raise
        if payload.guard is not None and payload.guard.hides:
            hush()
        return Discreet(self._lane, partial(self._opener.mask_of, payload))

    def needs_start(self, attempt: Attempt) -> bool:
        """Whether the store must be asked before the job runs."""
        options, limited = attempt.held.options, self._lane.limited
        return (options is not NONE and options.starts) or (bool(limited) and attempt.lease.queue in limited)

    def start(self, attempt: Attempt, place: Place) -> Settlement | None:
        """Ask the store whether the job may run now, and wait for that; returns the attempt's end where it must not.

        The job's own time begins with the answer: no process is ended under it because a store was slow.
        """
        options = attempt.held.options
        place.begin(attempt.lease, 0.0)
        kept_back = self._starter.start(attempt.lease, options)
        place.begin(attempt.lease, attempt.held.timeout_s)
        if kept_back is None and options.elsewhere is not None and options.elsewhere.until_start:
            self._manager.free_elsewhere(options.elsewhere, attempt.lease.id)
        return kept_back

    def _options_of(self, lease: Lease) -> JobOptions | None:
        """The options of a lease in hand, whose job has not been looked at yet; None if it cannot be read."""
        try:
            payload = unpack(lease, self._keyring)
        except QueueError:
            return None  # its own attempt will say so
        return payload.options or NONE

    def begins(self, attempt: Attempt) -> None:
        """Tell those who listen that the job runs now."""
        if listeners:
            attempt.has_begun = True
            telling.begins(attempt.lease, self._lane)

    def left_out(self, attempt: Attempt) -> Settlement:
        """End an attempt that has not begun, because somebody cancelled its job."""
        return self._end(attempt, Verdict(Outcome.CANCELLED, charged=False))

    def finish(self, attempt: Attempt, result: Any) -> Settlement:
        """Settle an attempt whose job returned, as the job itself wished."""
        if attempt.context is not None and attempt.context.has_ended:
            return self._ended_before(attempt)
        wish = attempt.context.wish if attempt.context is not None else None
        if wish is None or wish.kind == "delete":
            end = self._done(attempt, result)
        elif wish.error is not None:
            end = self._fail(attempt, wish.error)
        else:
            charged = wish.kind == "release"
            end = self._end(attempt, Verdict(Outcome.RELEASED, charged=charged, delay_us=wish.delay_us))
        if listeners:
            telling.ended(attempt, self._lane, end, wish.error if wish is not None else None)
        return end

    def fail(self, attempt: Attempt, error: BaseException) -> Settlement:
        """Settle an attempt whose job raised, or was interrupted for the worker's sake."""
        if attempt.context is not None and attempt.context.has_ended:
            self._log_error(attempt, "it had ended in its transaction")
            return self._ended_before(attempt)
        if isinstance(error, Interrupted):
            is_cancelled = isinstance(error, Cancelled)
            end = self._end(attempt, Verdict(Outcome.CANCELLED)) if is_cancelled else handed_back(attempt.lease)
            if listeners:
                telling.ended(attempt, self._lane, end)
            return end
        try:
            end = self._judge(attempt, error)
        except Exception:  # noqa: BLE001  the error of a job may be as broken as its author likes
            self._log_error(attempt, "its error cannot be described")
            failure = Failure(attempt.lease.attempts + 1, type(error).__name__, "", "", time.time_ns() // 1000)
            end = self._end(attempt, Verdict(Outcome.FAILED), failures=[failure])
        if listeners:
            telling.raised(attempt, self._lane, end, error)
        return end

    def _judge(self, attempt: Attempt, error: BaseException) -> Settlement:
        lease = attempt.lease
        ruling = attempt.context.ruling if attempt.context is not None else None
        if ruling is not None and ruling.error is not error:
            ruling = None  # that error was kept from us, and this one is another
        verdict = after_error(lease, attempt.held, error, attempt.runtime_s, ruling)
        if verdict.outcome is Outcome.FAILED:
            return self._fail(attempt, error)
        failures = [*failures_of(lease), self._failure(attempt, error)]
        return self._end(attempt, verdict, failures=failures, exceptions=lease.exceptions + 1)

    # -- ends ----------------------------------------------------------------------------------------------------

    def _ended_before(self, attempt: Attempt) -> Settlement:
        """The end that the job's own transaction committed: the store takes it for a repeat."""
        end = self._end(attempt, _COMPLETED)
        if listeners:
            telling.ended(attempt, self._lane, end)
        return end

    def _done(self, attempt: Attempt, result: Any) -> Settlement:
        kept = attempt.held.options.result_ttl_s
        lease = attempt.lease
        if result is None or not (kept or lease.flow is not None):
            if lease.crashes or attempt.held.options.elsewhere is not None:
                return self._end(attempt, _COMPLETED)
            return Settlement(
                id=lease.id,
                queue=lease.queue,
                job=lease.job,
                token=lease.token,
                outcome=Outcome.COMPLETED,
                attempts=lease.attempts + 1,
                exceptions=lease.exceptions,
                runtime_s=time.perf_counter() - attempt.began,
                waited_us=lease.reserved_us - lease.due_us,
                lock=lease.lock,
                flow=lease.flow,
                growth=None if lease.flow is None else growth_of(self._lane, attempt.context),
            )
        encoded = encode_value(result, what=f"the result of {attempt.lease.job}")
        encoded = self._opener.seal(attempt.payload, encoded)
        if len(encoded) > PAYLOAD_LIMIT:
            raise PayloadTooLargeError(
                f"the result of {attempt.lease.job}: {len(encoded):,} bytes are above the limit of {PAYLOAD_LIMIT:,}",
                hint="store the data elsewhere and return its id or path",
            )
        return self._end(attempt, _COMPLETED, result=encoded, result_ttl_s=kept)

    def _fail(self, attempt: Attempt, error: BaseException) -> Settlement:
        lease = attempt.lease
        failures = [*failures_of(lease), self._failure(attempt, error)]
        self._tell_job(attempt, error)
        return self._give_up(attempt, error, Verdict(Outcome.FAILED), failures, lease.exceptions + 1)

    def _job_of(self, attempt: Attempt) -> Any:
        return attempt.job or (self._opener.build(attempt.payload) if attempt.payload is not None else None)

    def _refuse(self, attempt: Attempt, reason: AttemptEnded) -> Settlement:
        """Fail a job that must not run again; the record and `failed()` carry its last real error."""
        lease = attempt.lease
        failures = failures_of(lease)
        if failures:
            last = failures[-1].summary
            reason = type(reason)(f"{reason.message}; the last error was {last}")
            reason.__cause__ = RuntimeError(last)
        failures = [*failures, self._failure(attempt, reason, number=max(1, lease.attempts))]
        if not was_told(lease, attempt.held):
            self._tell_job(attempt, reason)
        if listeners:
            telling.refused(attempt, self._lane, reason)
        return self._give_up(attempt, reason, Verdict(Outcome.FAILED, charged=False), failures, lease.exceptions)

    def _give_up(
        self, attempt: Attempt, error: BaseException, verdict: Verdict, failures: list[Failure], exceptions: int
    ) -> Settlement:
        """Fail a job for good, after asking its flow, if it has one, whether that counts against what it allows."""
        is_excused = attempt.lease.flow is not None and self._is_excused(attempt, attempt.lease.flow, error)
        if is_excused:
            failures[-1] = msgspec.structs.replace(failures[-1], is_excused=True)
        return self._end(attempt, verdict, failures=failures, exceptions=exceptions, is_excused=is_excused)

    def _is_excused(self, attempt: Attempt, told: str, error: BaseException) -> bool:
        try:
            return excuses(self._lane, self._manager, told, error, partial(self._job_of, attempt))
        except Exception:  # noqa: BLE001  what judges is the user's, and may raise anything
            self._log_error(attempt, "allow_failures() raised, and the failure counts")
            return False

    def _end(
        self,
        attempt: Attempt,
        verdict: Verdict,
        *,
        failures: list[Failure] | None = None,
        exceptions: int | None = None,
        result: bytes | None = None,
        result_ttl_s: float = 0.0,
        is_excused: bool = False,
    ) -> Settlement:
        lease = attempt.lease
        known = failures_of(lease) if failures is None and lease.crashes else failures
        elsewhere = attempt.held.options.elsewhere
        if elsewhere is not None and verdict.outcome is not Outcome.RELEASED:
            self._lane.elsewhere[lease.id] = elsewhere
        return Settlement(
            id=lease.id,
            queue=lease.queue,
            job=lease.job,
            token=lease.token,
            outcome=verdict.outcome,
            attempts=lease.attempts + verdict.charged,
            exceptions=lease.exceptions if exceptions is None else exceptions,
            delay_us=verdict.delay_us,
            runtime_s=time.perf_counter() - attempt.began,
            waited_us=lease.reserved_us - lease.due_us,
            history=pack_history(known) if known else None,
            error=failures[-1].summary[:1000] if failures else None,
            result=result,
            result_ttl_s=result_ttl_s,
            lock=lease.lock,
            flow=lease.flow,
            is_excused=is_excused,
            growth=growth_of(self._lane, attempt.context) if verdict is _COMPLETED and lease.flow is not None else None,
        )

    # -- errors --------------------------------------------------------------------------------------------------

    def _failure(self, attempt: Attempt, error: BaseException, number: int | None = None) -> Failure:
        mask = self._opener.mask_of(attempt.payload) or str
        return Failure(
            attempt=attempt.lease.attempts + 1 if number is None else number,
            kind=mask(kind_of(error)),
            message=cut(mask(words_of(error))),
            traceback=cut(mask("".join(traceback.format_exception(error)))),
            at_us=time.time_ns() // 1000,
            worker=self._lane.worker,
        )

    def _tell_job(self, attempt: Attempt, error: BaseException) -> None:
        """Call `failed()` on a fresh instance; what it raises is logged and changes nothing."""
        payload = attempt.payload
        if payload is None or not isinstance(error, Exception) or isinstance(error, SignatureError):
            return  # of what nobody vouches for, no code is to run
        try:
            self._opener.tell_failed(payload, error)
        except PayloadError:
            return  # it cannot be built, which is why it failed: nobody is there to hear it
        except Exception:  # noqa: BLE001  failed() may raise anything
            self._log_error(attempt, "failed() raised")

    def _log_error(self, attempt: Attempt, words: str) -> None:
        """Log the exception under way, without what the job hides."""
        mask = self._opener.mask_of(attempt.payload) or str
        told = mask(traceback.format_exc()).rstrip()
        log_of_attempt(_log, attempt.lease, attempt.runtime_s, words, told)

    # -- rules -----------------------------------------------------------------------------------------------------

    def _rules(self, queue: str, payload: Payload) -> Rules:
        if self._rules_version != defined.version:
            self._plain.clear()
            self._rules_version = defined.version
        if payload.options is not None:
            return self._merged(queue, payload)
        found = self._plain.get(queue)
        if found is None:
            found = self._plain[queue] = self._merged(queue, payload)
        return found

    def _merged(self, queue: str, payload: Payload) -> Rules:
        definition = defined.get(queue)
        of_queue = definition.max_attempts if definition else None
        return rules(payload.options, of_queue, self._options, self._connection.max_attempts)
