"""Jobs that ask for several things at once."""

from __future__ import annotations

from worker_jobs import HEARD

from qcore import Job, SecureJob, ShouldBeEncrypted, ShouldBeUnique
from qcore.middleware import AuthorizationMiddleware, LoggingMiddleware, WithoutOverlapping


class Charge(Job, ShouldBeEncrypted):
    """Says its card where it fails, beside a middleware that logs that."""

    max_tries = 1
    middleware = (LoggingMiddleware(),)

    def __init__(self, card: str) -> None:
        self.card = card

    def handle(self) -> None:
        raise ConnectionError(f"refused {self.card}")


class OncePerCard(Job, ShouldBeEncrypted, ShouldBeUnique):
    def __init__(self, card: str) -> None:
        self.card = card
        self.middleware = [WithoutOverlapping(card)]

    def unique_id(self) -> str:
        return self.card

    def handle(self) -> None:
        HEARD.append(("charged", self.card))


class Settles(Job, ShouldBeEncrypted):
    """Debounced by its arguments alone."""

    debounced = 5

    def __init__(self, pin: str) -> None:
        self.pin = pin


class Pays(SecureJob):
    def __init__(self) -> None:
        super().__init__()
        self.set_required_permissions(["pay"])

    def handle(self) -> None:
        HEARD.append(("paid",))


class Guarded(Job):
    middleware = (AuthorizationMiddleware("pay"),)

    def handle(self) -> None:
        HEARD.append(("paid",))


class Leaves(Job, ShouldBeUnique):
    def handle(self) -> None:
        raise SystemExit(3)


class Elsewhere(Job, ShouldBeUnique):
    """Keeps its lock on another connection, and cannot be built where it runs."""

    is_broken = False

    def __init__(self) -> None:
        if self.is_broken:
            raise ValueError("no")

    def unique_for(self) -> int:
        return 3600

    def unique_via(self) -> str:
        return "other"

    def handle(self) -> None:
        HEARD.append(("elsewhere",))


class Alone(Job):
    middleware = (WithoutOverlapping("it"),)

    def handle(self) -> None:
        HEARD.append(("alone",))
