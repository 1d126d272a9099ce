"""Acting from `qctl top` on what is under the cursor."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from qctl import format as fmt
from qctl.exits import Verdict
from qctl.screens.dialogs import Choose, Confirm
from qctl.screens.top.acting import WORKER_VERBS, Deed
from qctl.screens.top.wording import Wording
from qctl.screens.whole import Whole

if TYPE_CHECKING:
    from qcore.monitor.snapshots import JobSnapshot, WorkerSnapshot


_SAID = 200
"""Characters of a command that are said again when it was done."""


class Operating(Wording):
    """The keys that change something."""

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
        if self._deeds is not None and (queues := self._queues()):
            waiting = sum(one.pending + one.delayed + one.retrying for one in queues)
            self._do(self._deeds.clear([one.name for one in queues], waiting))

    def action_retry_all(self) -> None:
        """Put back the failed jobs of the queue, or those that are shown."""
        if self._deeds is None:
            return
        if self._panel.name == "failed":
            ids = [row.key for row in self._list.rows]
            self._do(self._deeds.retry(ids, self._samples(ids)) if ids else None)
        elif queues := [one for one in self._queues() if one.failed]:
            self._do(self._deeds.retry_all([one.name for one in queues], sum(one.failed for one in queues)))

    def action_retry(self) -> None:
        """Put the failed job back."""
        if self._deeds is not None and self._panel.name == "failed" and (ids := self._list.chosen()):
            self._do(self._deeds.retry(ids, self._samples(ids)))

    def action_forget(self) -> None:
        """Drop the failed job."""
        if self._deeds is not None and self._panel.name == "failed" and (ids := self._list.chosen()):
            self._do(self._deeds.forget(ids, self._samples(ids)))

    def action_kill(self) -> None:
        """Stop workers, after asking how, or jobs."""
        if self._deeds is None:
            return
        if self._panel.name == "workers":
            workers, addresses = self._chosen_workers(), self._addresses()
            if not workers:
                return
            verbs = [one for one in WORKER_VERBS if one[0] != "kill" or self._are_here(workers)]

            def chosen(verb: str | None) -> None:
                if verb is not None and self._deeds is not None:
                    self._do(self._deeds.tell_worker(verb, addresses, workers))

            self.push_screen(Choose(f"What should {fmt.plural(len(workers), 'worker')} do?", verbs), chosen)
        elif self._panel.name in {"running", "delayed"} and (ids := self._list.chosen()):
            self._do(self._deeds.cancel(ids, self._samples(ids)))

    def action_scale(self, step: int) -> None:
        """Let the supervisors under the cursor have a process more or less."""
        if self._deeds is not None and self._panel.name == "workers" and (workers := self._chosen_workers()):
            supervisors = sorted({one.supervisor for one in workers})
            self._do(self._deeds.scale(supervisors, step))

    def _are_here(self, workers: Sequence[WorkerSnapshot]) -> bool:
        return self._shown is not None and all(one.host == self._shown.host.name for one in workers)

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
        self.run_worker(partial(self._act, deed), thread=True, group="deeds", exit_on_error=False)

    def _act(self, deed: Deed) -> None:
        try:
            said = deed.do()
        except Exception as error:  # noqa: BLE001  whatever a store says is said here
            verdict = Verdict(error)
            self.call_from_thread(self.notify, fmt.printable(verdict.message), severity="error")
            return
        self.call_from_thread(self.notify, deed.line[:_SAID], title=said)
        self._feed.hurry(anew=True)
        self.call_from_thread(self._acted)

    def _acted(self) -> None:
        """Let what is open look again at what was acted on."""
        for screen in self.screen_stack:
            if isinstance(screen, Whole):
                screen.reread()

    def _act_on_job(self, what: str, job: JobSnapshot) -> None:
        """Do something to the one job that is open."""
        if self._deeds is not None:
            make = {"retry": self._deeds.retry, "forget": self._deeds.forget, "kill": self._deeds.cancel}[what]
            self._do(make([job.id], [f"{job.name} on {job.queue}  {job.id}"]))

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

    def _addresses(self) -> list[str]:
        known = {one.supervisor for one in self._chosen_workers()}
        chosen = [key.partition(" ")[0] for key in self._list.chosen()]
        if "host" in chosen:
            return sorted(known)
        return [key for key in chosen if key != "host"]

    def _samples(self, ids: Sequence[str]) -> list[str]:
        rows = {row.key: row for row in self._list.rows}
        found = [rows[one] for one in ids[:3] if one in rows]
        samples = [f"{row.cells['job'].text} on {row.cells['queue'].text}  {row.key}" for row in found]
        return samples + ([f"… and {len(ids) - 3} more"] if len(ids) > 3 else [])
