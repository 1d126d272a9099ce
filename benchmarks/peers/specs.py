"""One entry for each measured configuration.

`cmd` is the worker, `{n}` the process count. `fan` is "flag" where one command takes that count, "spawn" where the
harness starts so many commands. `n` caps the jobs of a drain, `times` multiplies them for one that is quick. `keeps` is
what becomes of a job whose worker is killed with SIGKILL, as the peer documents it.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Spec:
    """A queue on a store."""

    name: str
    venv: str
    """Its environment; empty for our own."""
    module: str
    cmd: str
    help: str
    keeps: str
    fan: str = "spawn"
    variant: str = ""
    store: str = "redis"
    n: int = 0
    times: int = 1
    bulk: bool = False
    default: bool = True
    """Whether it is measured unless something else is asked for."""
    python: tuple[int, int] = (3, 11)
    """The oldest that it runs on."""
    env: dict[str, str] = field(default_factory=dict)


_HUEY = "huey_consumer huey_app.huey -q -n -k thread -w "
_CELERY = "celery -A celery_app worker -n w{i}@%h -l ERROR --without-gossip --without-mingle --without-heartbeat"
_TASKIQ = (
    "taskiq worker taskiq_app:broker -w {n} --log-level ERROR --no-parse"
    " --max-async-tasks 100 --max-prefetch 100 --ack-type when_executed"
)
_LEASED = "at least once (lease, 15 s; at once where the supervisor lives)"
_LOST = "running job lost"
_VISIBLE = "at least once (visibility timeout, 1 h)"
_RQ = "at least once if the job has retries, else moved to failed"
_SAQ = "at least once if retries > 1, else swept as aborted"
_ARQ = "at least once (in-progress key expires)"


def _ours(store: str) -> Spec:
    return Spec(
        f"qcore {store}", "", "qcore_app", "qctl work --quiet --processes {n}", "qctl --help", _LEASED,
        fan="flag", store=store, times=5, bulk=True,
    )  # fmt: skip


OURS = {store: _ours(store) for store in ("redis", "redis-noaof", "postgresql", "sqlite", "mariadb")}
PEERS = [
    Spec("huey redis, threads x1", "huey", "huey_app", _HUEY + "1", "huey_consumer --help", _LOST),
    Spec("huey redis, threads x4", "huey", "huey_app", _HUEY + "4", "huey_consumer --help", _LOST),
    Spec("taskiq redis stream", "taskiq", "taskiq_app", _TASKIQ, "taskiq --help",
         "at least once (XAUTOCLAIM, 600 s)", fan="flag", variant="stream"),
    Spec("saq redis, 50 jobs", "saq", "saq_app", "saq saq_app.settings -q --workers {n}", "saq --help", _SAQ,
         fan="flag", n=10_000),
    Spec("streaq, 100 jobs", "streaq", "streaq_app", "streaq run streaq_app:worker -w {n}", "streaq --help",
         "at least once (XAUTOCLAIM, 60 s)", fan="flag", n=10_000, bulk=True),
    Spec("pgqueuer, batch 100", "pgqueuer", "pgqueuer_app",
         "pgq run pgqueuer_app:main --batch-size 100 --log-level ERROR", "pgq --help",
         "at least once (heartbeat, 30 s)", store="postgresql", bulk=True),
    Spec("chancy asyncio, 50 jobs", "chancy", "chancy_app", "chancy -a chancy_app.app worker start", "chancy --help",
         "at least once (default recovery plugin)", store="postgresql", n=5_000, bulk=True),
    Spec("procrastinate, 10 jobs", "procrastinate", "procrastinate_app",
         "procrastinate -a procrastinate_app.app worker -c 10 --delete-jobs always", "procrastinate --help",
         "not lost; stalled until a user's task retries it", store="postgresql", n=5_000, bulk=True),
    Spec("huey sqlite, threads x1", "huey", "huey_app", _HUEY + "1", "huey_consumer --help", _LOST,
         variant="sqlite", store="sqlite", n=10_000),
    Spec("oban, 50 jobs", "oban", "oban_app",
         "oban start --dsn {pg} --queues default:50 --cron-modules oban_app --log-level error", "oban --help",
         "at least once (rescued after 5 min)", store="postgresql", n=5_000, bulk=True, python=(3, 12)),
    Spec("celery prefork, acks_late", "celery", "celery_app", _CELERY + " -P prefork -c {n}", "celery --help",
         _VISIBLE, fan="flag", n=8_000, default=False),
    Spec("celery prefork, early ack", "celery", "celery_app", _CELERY + " -P prefork -c {n}", "celery --help",
         _LOST, fan="flag", variant="early", n=8_000, default=False),
    Spec("celery threads x8, acks_late", "celery", "celery_app", _CELERY + " -P threads -c 8", "celery --help",
         _VISIBLE, n=8_000, default=False),
    Spec("celery solo, acks_late", "celery", "celery_app", _CELERY + " -P solo", "celery --help",
         _VISIBLE, n=8_000, default=False),
    Spec("rq fork worker", "rq", "rq_app", "rq worker -q -u {redis} bench", "rq --help", _RQ,
         n=1_000, bulk=True, default=False),
    Spec("rq SimpleWorker", "rq", "rq_app", "rq worker -q -u {redis} -w rq.worker.SimpleWorker bench", "rq --help",
         _RQ, n=3_000, bulk=True, default=False),
    Spec("dramatiq threads x8", "dramatiq", "dramatiq_app", "dramatiq dramatiq_app -p {n} -t 8", "dramatiq --help",
         "at least once (heartbeat, 60 s)", fan="flag", n=10_000, default=False),
    Spec("huey postgres, threads x4", "huey", "huey_app", _HUEY + "4", "huey_consumer --help", _LOST,
         variant="postgres", store="postgresql", n=5_000, default=False),
    Spec("arq, default poll 0.5 s", "arq", "arq_app", "arq arq_app.WorkerSettings --custom-log-dict arq_app.LOG",
         "arq --help", _ARQ, variant="default", n=1_000, default=False),
    Spec("arq, poll 10 ms, 100 jobs", "arq", "arq_app", "arq arq_app.WorkerSettings --custom-log-dict arq_app.LOG",
         "arq --help", _ARQ, n=6_000, default=False),
    Spec("saq postgres, 50 jobs", "saq", "saq_app", "saq saq_app.settings -q --workers {n}", "saq --help", _SAQ,
         fan="flag", variant="postgres", store="postgresql", n=5_000, default=False),
    Spec("taskiq redis list", "taskiq", "taskiq_app", _TASKIQ, "taskiq --help", _LOST,
         fan="flag", variant="list", default=False),
]  # fmt: skip
