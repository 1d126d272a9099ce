"""The supervisor: one light process that makes workers, watches them, and loses none of their jobs when they die.

It runs no job and touches no store; the pulse does that. It starts no threads, so that it can fork at any time.
"""

from __future__ import annotations

import contextlib
import functools
import os
import select
import signal
import time
from collections.abc import Callable, Iterator, Sequence

from qcore.worker import minding, reload, spawning
from qcore.worker.children import Child, bury_strangers, describe, signals_held
from qcore.worker.codewatch import CodeWatch
from qcore.worker.group import Group
from qcore.worker.naming import new_id
from qcore.worker.options import SupervisorOptions
from qcore.worker.pulse import Pulse
from qcore.worker.scaling import Scaler
from qcore.worker.slots import SlotMemory
from qcore.worker.watch import verdict

_LOOK_EVERY_S = 0.25
_RENEWED_WITHIN_S = 1.0
_COMMANDS = {"pause": signal.SIGUSR2, "continue": signal.SIGCONT, "terminate": signal.SIGTERM, "restart": signal.SIGHUP}
_STEPS = {"grow": 1, "shrink": -1}
"""By how many children these commands change a supervisor."""
_SIGNALS = (*_COMMANDS.values(), signal.SIGINT, signal.SIGQUIT, signal.SIGCHLD)


class Supervisor:
    """Keeps its groups of children serving until it is told to stop, or all have done what they came for.

    Args:
        groups: of children.
        pulse: makes the connection to the stores, once the first children are there.
        options: how children are watched.
        say: told what an operator should know, a line at a time.
        scalers: change how many children groups should have.
        inherited: what the supervisor that this process was has left.
    """

    def __init__(
        self,
        groups: Sequence[Group],
        pulse: Callable[[str], Pulse],
        options: SupervisorOptions,
        say: Callable[[str], None],
        scalers: Sequence[Scaler] = (),
        inherited: reload.Inheritance | None = None,
    ) -> None:
        self.id = inherited.id if inherited else new_id(options.name)
        self._groups = groups
        self._open_pulse = pulse
        self._pulse: Pulse | None = None
        self._options = options
        self._say = say
        self._scalers = scalers
        self._retired: list[Child] = []
        """Children of the code before a reload, until those of the new one serve."""
        self._stops = 0
        self._is_paused = inherited is not None and inherited.is_paused
        self._wants_reload = False
        self._trial: reload.Trial | None = None
        self._watch: CodeWatch | None = None
        if options.watched:
            self._watch = CodeWatch(options.watched, inherited.watch if inherited else None)
        self._lifeline: spawning.Lifeline | None = None
        if not spawning.is_told_of_death:
            self._lifeline = spawning.Lifeline(inherited.lifeline if inherited else None)
        self._memory, self._owns_all = self._adopt(inherited)
        self._minder = inherited.minder if inherited else None
        self._taken = inherited.taken if inherited else {}

    def run(self) -> int:
        """Supervise until the end; returns the exit code."""
        if reload.is_trial():
            return 0
        with self._woken_by_signals() as wakes:
            if self._living:  # one of them may have died since: its jobs go back, and that takes somebody to tell
                self._pulse = self._begun_pulse()
            self._release_minder()
            try:
                while self._goes_on():
                    self._look()
                    self._fill()  # after the look: whoever it found dead has a successor at once
                    select.select([wakes], [], [], _LOOK_EVERY_S)
                    with contextlib.suppress(BlockingIOError):
                        os.read(wakes, 4096)
            finally:
                for one in (self._watch, self._trial, self._pulse, self._lifeline):
                    if one is not None:
                        one.close()
        return 0

    @contextlib.contextmanager
    def _woken_by_signals(self) -> Iterator[int]:
        """Handle signals in this block; gives the descriptor that becomes readable when one came."""
        reading, writing = os.pipe()
        for end in (reading, writing):
            os.set_blocking(end, False)
        before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        handlers = {number: signal.signal(number, self._on_signal) for number in _SIGNALS}
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)  # held back while the supervisor before became this one
        try:
            yield reading
        finally:
            signal.set_wakeup_fd(before)
            for number, handler in handlers.items():
                signal.signal(number, handler)
            os.close(reading)
            os.close(writing)

    # -- children ------------------------------------------------------------------------------------------------

    @property
    def _living(self) -> list[Child]:
        return [child for group in self._groups for child in group.children] + self._retired

    @property
    def is_stopping(self) -> bool:
        """Whether it was told to stop."""
        return self._stops > 0

    def _goes_on(self) -> bool:
        if self._living:
            return True
        return not self._stops and any(group.missing > 0 for group in self._groups)

    def _fill(self) -> None:
        """Make the children that are missing, and let those go that are too many."""
        for group in self._groups:
            group.shrink()
            while self._may_grow(group):
                self._grow(group)
        if self._pulse is None:
            self._pulse = self._begun_pulse()

    def _begun_pulse(self) -> Pulse:
        pulse = self._open_pulse(self.id)
        pulse.inbox.inherit(self._taken)
        return pulse

    def _may_grow(self, group: Group) -> bool:
        return group.missing > 0 and not self._stops and time.monotonic() >= group.respawn.not_before

    def _grow(self, group: Group) -> None:
        """Make a child, unless a stop came between; no signal is handled before it is known."""
        index = self._free_block()
        if index is None:
            group.respawn.not_before = time.monotonic() + 1.0  # children that leave hold all blocks
            return
        try:
            with signals_held():
                if not self._stops:
                    self._make(group, index)
        except OSError as error:
            pause_s = group.respawn.failed()
            self._say(f"no worker process could be made: {error.strerror}; the next try comes in {pause_s:g} s")

    def _make(self, group: Group, index: int) -> None:
        memory, duty = self._memory, group.duty
        slots = memory.child(index, duty.places)
        slots.clear()
        slots.pause(paused=self._is_paused)
        lifeline = self._lifeline.reading if self._lifeline is not None else None
        if self._forks:
            pid = spawning.fork(slots, group.serve, lifeline)
        else:
            shared = (memory.descriptor, memory.children, memory.slots, index)
            pid = spawning.spawn(spawning.Birth(self._groups.index(group), duty, *shared, os.getpid(), lifeline))
        group.adopt(Child(index, slots, pid, duty))

    @functools.cached_property
    def _forks(self) -> bool:
        """Whether children can be forked: what a thread of the user's modules holds, a fork would hold for ever."""
        threads = spawning.strange_threads()
        if threads:
            names = ", ".join(threads)
            self._say(f"threads run since modules were imported ({names}): worker processes are started, not forked")
        return not threads and hasattr(os, "fork")

    def _free_block(self) -> int | None:
        used = {child.index for child in self._living}
        return next((index for index in range(self._memory.children) if index not in used), None)

    def _look(self) -> None:
        """Take note of the dead, judge the living, tell the stores, and hear what is wanted."""
        for child in self._living:
            status = child.status()
            if status is not None:
                self._bury(child, status)
            elif self._options.judges:
                self._judge(child)
        self._look_beside()
        if self._retired and all(group.is_serving for group in self._groups):
            for child in self._retired:  # those of the new code serve
                child.leave()
        if self._pulse is not None:
            self._talk(self._pulse)
        self._advance_reload()

    def _look_beside(self) -> None:
        """Take note of processes that are no workers."""
        if os.getpid() == 1:
            bury_strangers({one.pid for one in (*self._living, self._trial, self._watch) if one})
        if self._watch is not None and not self._stops:
            self._watch.tend(self._say)

    def _talk(self, pulse: Pulse) -> None:
        for one in pulse.beat(self._living):
            self._obey(one.address, one.command)
        if not self._stops and not self._is_paused:
            for scaler in self._scalers:
                scaler.scale(pulse, time.monotonic())

    def _bury(self, child: Child, status: int) -> None:
        """Let go of a dead child: its jobs go back, its successor is due."""
        code = os.waitstatus_to_exitcode(status)
        if self._pulse is not None:
            charged = {} if child.ended_well(code) else self._charges(child, status)
            self._pulse.forfeit(child.slots.worker, charged)  # of each: the reply to a reserve may have been lost
            self._pulse.dismiss(child)
        if child in self._retired:
            self._retired.remove(child)
            return
        group = next(group for group in self._groups if child in group.children)
        pause_s = group.bury(child, code)
        if pause_s is not None and not self._stops and (child.charge is None or pause_s):
            after = f"; the next one comes in {pause_s:g} s" if pause_s else ""
            self._say(f"worker process {child.pid} {describe(status)}{after}")

    def _charges(self, child: Child, status: int) -> dict[str, str]:
        if child.charge is not None:
            return child.charge
        reason = f"WorkerCrashed: the worker process {describe(status)}"
        return {job.id: reason for job in child.slots.running()}

    def _judge(self, child: Child) -> None:
        hard_mb = self._options.memory_hard_mb
        rss_mb = self._pulse.rss_mb(child) if hard_mb and self._pulse else None
        found = verdict(child, memory_hard_mb=hard_mb, rss_mb=rss_mb)
        if found is not None and child.charge is None:
            text, charge = found
            self._say(f"worker process {child.pid} is ended: {text}")
            child.end(charge)

    # -- orders --------------------------------------------------------------------------------------------------

    def _on_signal(self, number: int, _frame: object) -> None:
        if number in {signal.SIGTERM, signal.SIGINT}:
            self._stop()
        elif number == signal.SIGQUIT:
            self._stop()
            self._stop()
        elif number in {signal.SIGUSR2, signal.SIGCONT}:
            self._is_paused = number == signal.SIGUSR2
            for child in self._living:
                child.pause(paused=self._is_paused)
        elif number == signal.SIGHUP:
            self._wants_reload = True

    def _stop(self) -> None:
        """Pass a stop on: the first lets running jobs end, the second does not."""
        self._stops += 1
        for child in self._living:
            if self._stops == 1:
                child.leave()
            else:
                child.quit()

    def _obey(self, address: str, command: str) -> None:
        """Do what somebody left in the registry for this supervisor, or for one of its children."""
        if address == self.id:
            self._obey_itself(command)
        for group in self._groups:
            for child in [one for one in group.children if one.slots.worker == address]:
                if command in {"terminate", "restart"}:
                    group.dismiss(child, replaced=command == "restart")
                elif command in {"pause", "continue"}:
                    child.pause(paused=command == "pause")
                elif command == "stack":
                    child.stack.ask()

    def _obey_itself(self, command: str) -> None:
        if command in _STEPS:
            self._scale(_STEPS[command])
        elif command in _COMMANDS:
            self._on_signal(_COMMANDS[command], None)

    def _scale(self, step: int) -> None:
        """Have a child more or less, until the next start; where the load says how many, it goes on saying so."""
        if self._scalers or len(self._groups) != 1:
            self._say("not scaled: how many processes a pool has follows min_processes, max_processes and the load")
            return
        most = max(1, self._memory.children // 2)  # a reload has the old children and the new ones side by side
        self._say(self._groups[0].resize(step, most))

    # -- reload --------------------------------------------------------------------------------------------------

    def _adopt(self, inherited: reload.Inheritance | None) -> tuple[SlotMemory, bool]:
        """Take over memory and children; whether the memory is one that holds, and will hold, all of them."""
        options = self._options
        if inherited is None:
            return SlotMemory(options.blocks, options.slots), True
        memory = SlotMemory(inherited.children, inherited.slots, inherited.descriptor)
        self._retired = reload.revived(inherited, memory)
        for group in self._groups:
            self._retired = group.claim(self._retired)
        if inherited.children >= options.blocks and inherited.slots >= options.slots:
            return memory, True
        return SlotMemory(options.blocks, options.slots), False

    def _advance_reload(self) -> None:
        """Go a step further towards the code that was asked for: try it, then become it."""
        if self._stops:
            return
        if self._trial is None:
            if self._wants_reload and (self._owns_all or not self._retired):
                self._wants_reload = False
                self._try_reload()
            return
        trouble = self._trial.result()
        if trouble is None:
            return
        self._trial = None
        if trouble:
            self._say(f"not reloaded, the old code goes on: {trouble}")
        else:
            self._say("reloading")
            self._become()

    def _try_reload(self) -> None:
        try:
            with signals_held():
                self._trial = reload.Trial()
        except OSError as error:
            self._say(f"not reloaded, the old code goes on: {error}")

    def _become(self) -> None:
        """Re-execute this process, unless a stop came between; the children stay its own."""
        with signals_held():  # those that come before the new supervisor listens wait for it
            if self._stops:
                return
            pulse = self._pulse = self._pulse or self._begun_pulse()
            pulse.renew(self._living, _RENEWED_WITHIN_S)  # so that the process to come has time to begin
            pulse.close()
            self._keep_ends(kept=True)
            try:
                self._minder = minding.mind(lambda: self._open_pulse(self.id), self._living, self._say)
                reload.become(self._legacy(pulse))
            except OSError as error:
                self._say(f"not reloaded, the old code goes on: {error}")
                self._keep_ends(kept=False)
                self._release_minder()

    def _release_minder(self) -> None:
        """Beat from here on, and let go of the process that did so while the code was imported."""
        if self._minder is None:
            return
        if self._pulse is not None:
            self._pulse.renew(self._living, _RENEWED_WITHIN_S)
        trouble = minding.release(self._minder)
        self._minder = None
        if trouble is not None:
            self._say(f"the process that beats for the workers during a reload {trouble} before its time")

    def _keep_ends(self, *, kept: bool) -> None:
        for one in (self._watch, self._lifeline):
            if one is not None:
                one.keep(kept=kept)

    def _legacy(self, pulse: Pulse) -> reload.Inheritance:
        return reload.Inheritance(
            id=self.id,
            descriptor=self._memory.descriptor,
            children=self._memory.children,
            slots=self._memory.slots,
            is_paused=self._is_paused,
            watch=self._watch.handle if self._watch is not None else None,
            lifeline=self._lifeline.ends if self._lifeline is not None else None,
            minder=self._minder,
            living=tuple(reload.survivor(child) for child in self._living),
            served=pulse.served,
            queues=pulse.queues,
            options=self._options,
            taken=pulse.inbox.legacy,
        )
