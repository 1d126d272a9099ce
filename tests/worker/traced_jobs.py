"""Jobs that are traced."""

from __future__ import annotations

from qcore import Job, SecureJob


class Plain(Job):
    def handle(self) -> None: ...


class Parent(Job):
    def handle(self) -> None:
        Plain.dispatch()


class Awaited(Job):
    async def handle(self) -> None: ...


class Broken(Job):
    max_tries = 1

    def handle(self) -> None:
        raise ValueError("no such order: 42")


class GivesUp(Job):
    def handle(self) -> None:
        self.fail(ValueError("useless"))


class Hidden(SecureJob):
    max_tries = 1

    def __init__(self, card: str) -> None:
        super().__init__()
        self.set_sensitive_fields(["card"])
        self.card = card

    def handle(self) -> None:
        raise ValueError(f"card {self.card} is refused")
