"""Callbacks of batches, chains and graphs: jobs of their own, which call a function by name or as a signed closure."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from inspect import Parameter, signature
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from qcore.crypto.signature import seal, unseal
from qcore.errors import ConfigurationError, JobFailedError, PayloadError, SignatureError
from qcore.flows import FlowRecord, Hook
from qcore.jobs.job import Job
from qcore.manager import QueueManager
from qcore.records import unpack_history
from qcore.workflows.options import options_in

if TYPE_CHECKING:
    from qcore.config import Settings
    from qcore.crypto.keyring import Keyring
    from qcore.drivers import Store

_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
_HINT = "run qctl key:generate and set QCTL_KEY, or use a function that can be imported by its name"
_BOTH = 2
Packed = tuple[str | None, bytes | None, str]
"""A function that travels: its name, or its code and the Python that made it."""
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[str, str | None, bytes | None, str]).decode


class Callback(Job):
    """Calls a function when a flow has come so far.

    Args:
        flow: its id.
        hook: which of its callbacks.
        name: of the function, `module:name`.
        code: of a closure, where it has no name.
        python: the version that made the code.
        more: functions that are called after it, in the same form.
    """

    follow: ClassVar[Callable[[str, QueueManager], tuple[Any, str]]]
    """Gives the batch, or the monitor, that a callback takes, and the connection it is on (`following.handle_of`)."""

    def __init__(
        self,
        flow: str,
        hook: str,
        name: str | None,
        code: bytes | None = None,
        python: str = "",
        more: Sequence[Packed] = (),
    ) -> None:
        super().__init__()
        self.flow, self.hook = flow, Hook(hook)
        self.calls: list[Packed] = [(name, code, python), *more]

    def handle(self) -> Any:
        """Call them with what they take, one after the other; returns what the last returned."""
        manager = QueueManager.current()
        of_flow, connection = type(self).follow(self.flow, manager)
        store = manager.connection(connection)
        returned = None
        for call in [unpacked(*packed_call, manager, connection) for packed_call in self.calls]:
            returned = call(*_arguments(call, of_flow, self.hook, lambda: failure_of(store, self.flow)))
        return returned


def packed(call: Any, settings: Settings, keyring: Keyring | None) -> Packed:
    """Bring a function into a form that travels: its name, or else its code.

    Args:
        call: to be called by a worker.
        settings: which may forbid closures.
        keyring: signs; without one only names travel.

    Raises:
        ConfigurationError: it is no function, or has no name and closures cannot travel here.
        PayloadError: its code cannot travel.
    """
    if not callable(call):
        raise ConfigurationError(f"a callback is a function, not {type(call).__name__}", hint="give a def or a lambda")
    name = _name_of(call)
    if name is not None:
        return (name, None, "")
    if not settings.allow_closures:
        raise ConfigurationError(
            "a callback without a name that can be imported, and allow_closures is false",
            hint="define it with def at the top level of a module",
        )
    if keyring is None:
        raise ConfigurationError("a callback that is a closure must be signed, and no key is set", hint=_HINT)
    import cloudpickle

    try:
        code: bytes = cloudpickle.dumps(call)
    except Exception as error:  # cloudpickle raises whatever its parts do
        raise PayloadError(
            f"a callback cannot travel: {type(error).__name__}: {error}",
            hint="let it use nothing that is open, or give a function by name",
        ) from error
    return (None, code, _PYTHON)


def unpacked(
    name: str | None, code: bytes | None, python: str, manager: QueueManager, connection: str
) -> Callable[..., Any]:
    """Find or rebuild a function of a payload that was verified.

    Raises:
        UnknownJobClass: its module may not be used here.
        PayloadError: there is none of that name, or it was made by another version of Python, or anybody could have.
    """
    if name is not None:
        manager.classes.check(name)
        module, _, path = name.partition(":")
        if manager.keyring(connection) is None and module.partition(".")[0] in sys.stdlib_module_names:
            raise PayloadError(f"a callback {name}, and no key is set: anybody may have put it there", hint=_HINT)
        found: Any = import_module(module)
        for part in path.split("."):
            found = getattr(found, part, None)
        if not callable(found) or _name_of(found) != name:
            raise PayloadError(f"no function {name}", hint="was it renamed or moved after dispatch?")
        return found  # type: ignore[no-any-return]  # callable
    if not manager.settings.allow_closures:
        raise PayloadError("a callback that is a closure, and allow_closures is false here")
    if manager.keyring(connection) is None:
        raise PayloadError("a callback that is a closure, and no key is set to check it with", hint=_HINT)
    if python != _PYTHON:
        raise PayloadError(
            f"a closure made by Python {python} cannot be read by {_PYTHON}", hint="give callbacks by name"
        )
    import cloudpickle

    return cloudpickle.loads(code or b"")  # type: ignore[no-any-return]  # signed by us


def judge_of(record: FlowRecord, manager: QueueManager, connection: str) -> Callable[[Exception, Any], Any] | None:
    """What a flow asks of each failure; None where it asks nothing."""
    sealed = options_in(record.options).get("judge")
    if sealed is None:
        return None
    flow, name, code, python = _decode(unseal(sealed, manager.keyring(connection)))
    if flow != record.flow.id:
        raise SignatureError(
            f"what judges failures of {record.flow.id} is of {flow}", hint="somebody moved it in the store"
        )
    return unpacked(name, code, python, manager, connection)


def sealed_judge(call: Any, flow: str, settings: Settings, keyring: Keyring | None) -> bytes:
    """Close what a flow asks of each failure: it travels in no payload, and must be vouched for by itself."""
    return seal(_encode((flow, *packed(call, settings, keyring))), keyring)


def failure_of(store: Store, flow: str) -> JobFailedError:
    """Describe the failure that was one too many, as an exception."""
    record = store.flow(flow)
    job_id = record.flow.failed_by if record is not None else None
    if job_id is None:
        return JobFailedError(f"{flow} failed", job_id=flow)
    job = store.find(job_id)
    if job is None:
        inner = store.flow(job_id)
        return failure_of(store, job_id) if inner is not None else JobFailedError("a job failed", job_id=job_id)
    history = unpack_history(job.history)
    if not history:
        return JobFailedError(f"{job.job} failed", job_id=job_id, job=job.job)
    last = history[-1]
    return JobFailedError(
        last.message or last.kind, job_id=job_id, job=job.job, kind=last.kind, traceback=last.traceback
    )


def _arguments(call: Callable[..., Any], of_flow: Any, hook: Hook, failure: Callable[[], Exception]) -> list[Any]:
    """What a callback takes, told by its signature."""
    places = {Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD}
    try:
        taken = signature(call).parameters.values()
    except (TypeError, ValueError):  # a builtin that does not tell
        taken = {}.values()
    wanted = sum(one.kind in places and one.default is Parameter.empty for one in taken)
    if not wanted and any(one.kind is Parameter.VAR_POSITIONAL for one in taken):
        wanted = 1
    if hook is not Hook.CATCH:
        return [of_flow][:wanted]
    return [of_flow, failure()] if wanted >= _BOTH else [failure()][:wanted]


def _name_of(call: Any) -> str | None:
    """Under which name a worker finds a function; None where it finds none."""
    module, name = getattr(call, "__module__", None), getattr(call, "__qualname__", None)
    if not module or not name or module == "__main__" or "<" in name:
        return None
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return f"{module}:{name}" if found is call else None
