from celery import Celery
from hit import hit as _hit
from settings import REDIS_URL, VARIANT

app = Celery("bench", broker=REDIS_URL)
late = VARIANT != "early"
app.conf.update(
    task_ignore_result=True,
    task_acks_late=late,
    task_reject_on_worker_lost=late,
    worker_prefetch_multiplier=128,
)


@app.task(name="hit")
def hit(sent: str, user: str, template: str) -> None:
    _hit(sent, user, template)


def send(sent: str, user: str, template: str) -> None:
    hit.delay(sent, user, template)
