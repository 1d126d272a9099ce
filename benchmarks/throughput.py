"""Jobs a second through one producer and one worker: one by one, in bulk, and drained, as a Markdown table.

    python benchmarks/throughput.py [URL ...]        (SQLite in a temporary folder if none is given)

Each round uses a queue of its own; figures are medians of three rounds, at default settings: leases, signatures
where there is a key, and the window of completed jobs. The worker runs in this process, so its start is not timed.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable

from bench_jobs import Small

from qcore import QueueManager, Worker, dispatch_many
from qcore.config import mask_url
from qcore.worker import WorkerOptions

ONE_BY_ONE, BULK, ROUNDS = 2_000, 20_000, 3


def per_second(count: int, act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return count / (time.perf_counter() - began)


def small() -> Small:
    return Small(repr(time.time()), "customer-4711", "welcome-mail")


def measure(url: str, number: int) -> tuple[float, float, float]:
    manager = QueueManager.configure(url=url)
    queue = f"bench-{time.time_ns()}-{number}"
    small().on_queue(queue).dispatch()  # connections and tables are there before the clock runs
    singly = per_second(ONE_BY_ONE, lambda: [small().on_queue(queue).dispatch() for _ in range(ONE_BY_ONE)])
    many = per_second(BULK, lambda: dispatch_many(small().on_queue(queue) for _ in range(BULK)))
    worker = Worker(queue, manager=manager, options=WorkerOptions(stop_when_empty=True))
    drained = per_second(ONE_BY_ONE + BULK + 1, worker.run)
    manager.close()
    return singly, many, drained


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        urls = sys.argv[1:] or [f"sqlite:///{folder}/queue.db"]
        print("| store | dispatch, one by one | dispatch_many | drain, 1 process |\n|---|---|---|---|")
        for url in urls:
            rounds = [measure(url, number) for number in range(ROUNDS)]
            singly, many, drained = (statistics.median(column) for column in zip(*rounds, strict=True))
            print(f"| {mask_url(url)} | {singly:,.0f}/s | {many:,.0f}/s | {drained:,.0f}/s |", flush=True)


if __name__ == "__main__":
    main()
