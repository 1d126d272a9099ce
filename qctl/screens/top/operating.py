"""Acting from `qctl top` on what is under the cursor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from qcore.filters import Filter, one_of, words
from qcore.monitor.actions import EVERY_JOB, WAITING
from qctl import format as fmt
from qctl.exits import Verdict
from qctl.screens.aside import aside, tell
from qctl.screens.dialogs import Choose, Confirm, Working
from qctl.screens.stack import StackPage
from qctl.screens.top.acting import WORKER_VERBS, Deed, on_queues, sample, samples_of
from qctl.screens.top.events import ALERT
from qctl.screens.top.wording import Wording
from qctl.screens.whole import Whole

if TYPE_CHECKING:
    from qcore.monitor.queue_actions import ActionResult
    from qcore.monitor.snapshots import JobSnapshot, WorkerSnapshot

_SAID = 200
"""Characters of a command that are said again when it was done."""
_AT_ONCE = 100
"""Jobs that are acted on while nobody needs to be told how far it is."""
Make = Callable[[Filter, str, "ActionResult"], Deed]
"""Makes a deed of jobs of a state that match, of which so many were found."""


class Operating(Wording):
    """The keys that change something."""

    _is_counting = False
    """It is being found out what a deed would be about."""

    # -- deeds ---------------------------------------------------------------------------------------------------

    def action_pause(self) -> None:
        """Pause what is under the cursor, or let it go on."""
        if self._deeds is None or self._shown is None:
            return
        if self._panel.name == "queues":
            chosen = self._list.chosen()
            paused = {queue.name for queue in self._shown.stats.queues if queue.paused}
            if chosen:
                self._do(self._deeds.resume(chosen) if chosen[0] in paused else self._deeds.pause(chosen))
            return
        if self._panel.name == "workers" and (workers := self._chosen_workers()):
            verb = "continue" if workers[0].state == "paused" else "pause"
            self._do(self._deeds.tell_worker(verb, self._addresses(), workers))

    def action_clear(self) -> None:
        """Drop the waiting jobs of the queue."""
        if (deeds := self._deeds) is not None and (queues := self._queues()):
            names = [one.name for one in queues]
            self._count(on_queues(names), WAITING, lambda found: deeds.clear(names, found.matched, samples_of(found)))

    def action_retry_all(self) -> None:
        """Put back the failed jobs of the queue, or all that match."""
        if (deeds := self._deeds) is None:
            return
        if self._panel.name == "failed":
            if self._is_partial():
                self._sweep(deeds.retry_matching)
            elif ids := [row.key for row in self._list.rows]:
                self._do(deeds.retry(ids, self._samples(ids)))
        elif queues := [one for one in self._queues() if one.failed]:
            self._sweep(deeds.retry_matching, on_queues(one.name for one in queues), "failed")

    def action_retry(self) -> None:
        """Put the failed job back."""
        if self._deeds is not None and self._panel.name == "failed":
            self._on_chosen(self._deeds.retry, self._deeds.retry_matching)

    def action_forget(self) -> None:
        """Drop the failed job."""
        if self._deeds is not None and self._panel.name == "failed":
            self._on_chosen(self._deeds.forget, self._deeds.forget_matching)

    def action_kill(self) -> None:
        """Stop workers, after asking how, or jobs."""
        if self._deeds is None:
            return
        if self._panel.name == "workers":
            self._stop_workers()
        elif self._panel.name in {"running", "delayed"}:
            self._on_chosen(self._deeds.cancel, self._deeds.cancel_matching)

    def _stop_workers(self) -> None:
        """Ask how workers should stop; a job under the cursor is cancelled instead."""
        assert self._deeds is not None  # noqa: S101  asked for only then
        if jobs := self._chosen_running():
            self._do(self._deeds.cancel([job_id for job_id, _ in jobs], [said for _, said in jobs[:3]]))
            return
        workers, addresses = self._chosen_workers(), self._addresses()
        if not workers:
            return
        verbs = [one for one in WORKER_VERBS if one[0] != "kill" or self._are_here(workers)]

        def chosen(verb: str | None) -> None:
            if verb is not None and self._deeds is not None:
                self._do(self._deeds.tell_worker(verb, addresses, workers))

        self.push_screen(Choose(f"What should {fmt.plural(len(workers), 'worker')} do?", verbs), chosen)

    def action_scale(self, step: int) -> None:
        """Let the supervisors under the cursor have a process more or less."""
        if self._deeds is not None and self._panel.name == "workers" and (workers := self._chosen_workers()):
            supervisors = sorted({one.supervisor for one in workers})
            self._do(self._deeds.scale(supervisors, step))

    def action_stack(self) -> None:
        """Show where the code of the worker under the cursor is, or of the one that runs the job."""
        if self._deeds is None or self._panel.name not in {"workers", "running"}:
            return
        is_of_jobs, ids = self._panel.name == "running", set(self._list.chosen())
        every = self._shown.workers if self._shown else ()
        running = [one for one in every if ids & {job.id for job in one.running}]
        workers = running if is_of_jobs else self._chosen_workers()
        if len(workers) != 1:
            self.notify("put the cursor on one worker that is there", severity="warning")
            return
        worker = workers[0]
        self._last_line = self._deeds.stack_line(worker)
        ask = partial(self._deeds.asked, worker)
        self.push_screen(StackPage(worker, ask, line=self._last_line, ascii_only=self._ascii, clock=self._clock))

    def action_happened(self) -> None:
        """Show what happened to the jobs of the workers under the cursor."""
        if self._panel.name == "workers" and (workers := self._chosen_workers()):
            self._list_with("events", "|".join(f"{one.host}:{one.pid}" for one in workers))

    def action_acknowledge(self) -> None:
        """Know of the alerts under the cursor: they need not stay above all else."""
        if self._panel.name == "events":
            known = [key for key in self._list.chosen() if key.startswith(ALERT)]
            self._acknowledged.update(known)
            self._draw()
            if not known:
                self.notify("that is no alert", severity="warning")

    def _are_here(self, workers: Sequence[WorkerSnapshot]) -> bool:
        return self._shown is not None and all(one.host == self._shown.host.name for one in workers)

    # -- on what matches, shown or not -----------------------------------------------------------------------------

    def _on_chosen(self, make: Callable[[list[str], list[str]], Deed], make_matching: Make) -> None:
        """Act on what is tagged or under the cursor; where all that match are tagged, on those not shown too."""
        ids = self._list.chosen()
        if self._tagged_beyond:
            self._sweep(make_matching)
        elif self._panel.name == "failed" and self._is_grouped and (troubles := self._troubles(ids)):
            self._sweep(make_matching, self._where() & one_of("fingerprint", troubles))
        elif ids:
            self._do(make(ids, self._samples(ids)))

    def _sweep(self, make: Make, where: Filter | None = None, view: str = "") -> None:
        """Act on every job of a state that matches; of what is shown, if nothing else is said."""
        chosen, state = self._where() if where is None else where, view or self._panel.view
        self._count(chosen, [state], lambda found: make(chosen, state, found))

    def _troubles(self, ids: Sequence[str]) -> list[str]:
        """What tells apart that of which these jobs failed; nothing where one of them says none."""
        known = {job.id: job.fingerprint for job in self._shown.jobs} if self._shown else {}
        found = [known.get(job_id) for job_id in ids]
        return [one for one in found if one] if all(found) else []

    def _where(self) -> Filter:
        """What the filter of the list asks of jobs, in the language of filters."""
        sought = [word.strip() for word in self._order.filter.split("|") if word.strip()]
        return words(*sought) if sought else EVERY_JOB

    def _count(self, where: Filter, views: Sequence[str], then: Callable[[ActionResult], Deed | None]) -> None:
        """Find out, beside the screen, how many jobs match; then ask about them."""
        deeds = self._deeds
        if self._is_counting or deeds is None:
            return
        self._is_counting = True

        def count() -> None:
            try:
                found = deeds.found(where, views)
            except Exception as error:  # noqa: BLE001  whatever a store says is said here
                tell(self, self._counted, None, then, Verdict(error).message)
            else:
                tell(self, self._counted, found, then, "")

        aside(count)

    def _counted(self, found: ActionResult | None, then: Callable[[ActionResult], Deed | None], trouble: str) -> None:
        self._is_counting = False
        if found is None:
            self.notify(trouble, severity="error")
        elif not found.matched:
            self.notify("no job matches any more", severity="warning")
        elif len(self.screen_stack) == 1:  # whoever went elsewhere meanwhile is not asked there
            self._do(then(found))

    def action_tag_all(self) -> None:
        """Tag every row that is shown, and of a list that is longer all that match."""
        super().action_tag_all()
        if self._deeds is not None and self._is_partial():
            self._count(self._where(), [self._panel.view], self._tag_beyond)

    def _tag_beyond(self, found: ActionResult) -> None:
        self._tagged_beyond = found.matched
        self._draw()

    # -- doing -----------------------------------------------------------------------------------------------------

    def _do(self, deed: Deed | None) -> None:
        if deed is None:
            return
        self._last_line = deed.line
        if not deed.asks:
            self._begin(deed)
            return

        def answered(is_wanted: bool | None) -> None:
            if is_wanted:
                self._begin(deed)

        self.push_screen(Confirm(deed.words, deed.samples, deed.line, deed.word), answered)

    def _begin(self, deed: Deed) -> None:
        if deed.progress is not None and deed.progress.total > _AT_ONCE:
            self.push_screen(Working(deed.words.rstrip("?"), deed.progress))
        aside(partial(self._act, deed))

    def _act(self, deed: Deed) -> None:
        try:
            said = deed.do()
        except Exception as error:  # noqa: BLE001  whatever a store says is said here
            tell(self, self._failed, Verdict(error).message)
            return
        self._feed.hurry(anew=True)
        tell(self, self._acted, said, deed.line)

    def _failed(self, message: str) -> None:
        self._end_working()
        self.notify(message, severity="error")

    def _acted(self, said: str, line: str) -> None:
        """Say what came of it, and let what is open look again at what was acted on."""
        self._end_working()
        self.notify(line[:_SAID], title=said)
        for screen in self.screen_stack:
            if isinstance(screen, Whole):
                screen.reread()

    def _end_working(self) -> None:
        if isinstance(self.screen, Working):
            self.screen.dismiss(None)

    def _act_on_job(self, what: str, job: JobSnapshot) -> None:
        """Do something to the one job that is open."""
        if self._trouble:
            self.notify("the store does not answer", severity="warning")
        elif self._deeds is not None:
            make = {"retry": self._deeds.retry, "forget": self._deeds.forget, "kill": self._deeds.cancel}[what]
            self._do(make([job.id], [sample(job)]))

    # -- what is under the cursor ----------------------------------------------------------------------------------

    def _queues(self) -> list[Any]:
        chosen = set(self._list.chosen()) if self._panel.name == "queues" else set()
        return [one for one in self._shown.stats.queues if one.name in chosen] if self._shown else []

    def _chosen_workers(self) -> list[WorkerSnapshot]:
        """The workers that are meant: by themselves, by their supervisor, host, or a job that they run."""
        chosen = [key.partition(" ") for key in self._list.chosen()]
        ids = {key[0] for key in chosen if key[0] != "host"}
        hosts = {key[2] for key in chosen if key[0] == "host"}
        every = self._shown.workers if self._shown else ()
        return [one for one in every if {one.id, one.supervisor} & ids or one.host in hosts]

    def _chosen_running(self) -> list[tuple[str, str]]:
        """The jobs in the tree of workers that are meant, each with a line about it; none where workers are."""
        chosen = set(self._list.chosen())
        every = [(one, job) for one in (self._shown.workers if self._shown else ()) for job in one.running]
        meant = [
            (job.id, f"{job.name} on {job.queue}  {job.id}") for one, job in every if f"{one.id} {job.id}" in chosen
        ]
        return meant if len(meant) == len(chosen) else []

    def _addresses(self) -> list[str]:
        known = {one.supervisor for one in self._chosen_workers()}
        chosen = [key.partition(" ")[0] for key in self._list.chosen()]
        if "host" in chosen:
            return sorted(known)
        return list(dict.fromkeys(key for key in chosen if key != "host"))

    def _samples(self, ids: Sequence[str]) -> list[str]:
        rows = {row.key: row for row in self._list.rows}
        found = [rows[one] for one in ids[:3] if one in rows]
        samples = [f"{row.cells['job'].text} on {row.cells['queue'].text}  {row.key}" for row in found]
        return samples + ([f"… and {len(ids) - 3} more"] if len(ids) > 3 else [])
