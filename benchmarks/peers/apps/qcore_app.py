"""Ours, as the peers are measured. `QCTL_URL` and `QCTL_KEY` say where jobs go and what signs them."""

from hit import hit as _hit

from qcore import Job, QueueManager, dispatch_many


class Hit(Job):
    def __init__(self, sent: str, user: str, template: str) -> None:
        self.sent, self.user, self.template = sent, user, template

    def handle(self) -> None:
        _hit(self.sent, self.user, self.template)


def connect() -> None:
    QueueManager.connection().counts()  # makes the tables too


def setup() -> None:
    pass


def send(sent: str, user: str, template: str) -> None:
    Hit.dispatch(sent, user, template)


def send_bulk(jobs: list[tuple[str, str, str]]) -> None:
    dispatch_many(Hit(*job) for job in jobs)
