"""Jobs with secrets, for the tests of what hides them."""

from __future__ import annotations

import asyncio
import json
import shlex
from dataclasses import dataclass
from typing import Any

from qcore import BatchableJob, ChainableJob, Job, SecureJob, ShouldBeEncrypted, ShouldBeUnique, job
from qcore.security import authorize_job

HEARD: list[tuple[Any, ...]] = []
"""What the jobs of this process did, in order."""


class Note(Job, ShouldBeEncrypted):
    def __init__(self, text: Any, *, copies: int = 1) -> None:
        self.text, self.copies = text, copies

    def handle(self) -> Any:
        HEARD.append(("note", self.text, self.copies))
        return {"echo": self.text}


class Plain(Job):
    def __init__(self, value: Any) -> None:
        self.value = value

    def handle(self) -> Any:
        HEARD.append(("plain", self.value))
        return self.value


class Hushed(Plain, ShouldBeEncrypted):
    pass


@job(queue="notes")
def jot(text: str) -> str:
    HEARD.append(("jot", text))
    return text


class Leaks(Job, ShouldBeEncrypted):
    """Says its secret wherever it can."""

    max_tries = 1

    def __init__(self, secret: str, where: str = "handle") -> None:
        self.secret = secret
        self._say(where == "constructor")
        self.where = where

    def handle(self) -> None:
        HEARD.append(("leaks", self.attempts))
        self.update_progress(50, f"half of {self.secret}")
        try:
            self._say(True)
        except ValueError as error:
            raise RuntimeError("it went wrong") from error

    def failed(self, exception: Exception) -> None:
        self._say(self.where == "failed")

    def _say(self, now: bool) -> None:
        if now:
            raise ValueError(f"no luck with {self.secret}, that is {self.secret!r}")


class LeaksInGroup(Job, ShouldBeEncrypted):
    """Raises what quotes its secret in one task of several: the traceback indents each line of it."""

    max_tries = 1

    def __init__(self, secret: str) -> None:
        self.secret = secret

    async def handle(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._refuse())

    async def _refuse(self) -> None:
        raise ValueError(f"no luck with {self.secret}")


class Abandons(Job, ShouldBeEncrypted):
    """Leaves a task behind whose error quotes its secret."""

    def __init__(self, secret: str) -> None:
        self.secret = secret

    async def handle(self) -> None:
        task = asyncio.create_task(self._refuse())
        await asyncio.sleep(0.01)
        del task

    async def _refuse(self) -> None:
        raise ValueError(f"no luck with {self.secret}")


class Single(Job, ShouldBeUnique, ShouldBeEncrypted):
    def __init__(self, name: Any) -> None:
        self.name = name

    def unique_id(self) -> Any:
        return self.name

    def handle(self) -> None: ...


class Pay(SecureJob):
    max_tries = 1
    backoff = 0

    def __init__(self, card: Any, amount: int, *codes: str, fails: bool = False, **more: Any) -> None:
        super().__init__()
        HEARD.append(("built",))
        self.card, self.amount, self.codes, self.fails, self.more = card, amount, codes, fails, more
        self.set_sensitive_fields(["card", "codes", "more"])
        self.set_required_permissions(["process_payments"])

    def handle(self) -> str:
        HEARD.append(("paid", self.card, self.amount, self.codes, self.more))
        if self.fails:
            raise ValueError(f"{self.card} declined for {self.amount}")
        return f"{self.amount} from {self.card}"

    def failed(self, exception: Exception) -> None:
        HEARD.append(("told", type(exception).__name__))


class Quotes(SecureJob):
    """Raises, reports and logs its secret as something else quotes it."""

    max_tries = 1

    def __init__(self, secret: Any, quote: Any = "str") -> None:
        super().__init__()
        self.secret, self.quote = secret, quote
        self.set_sensitive_fields(["secret"])

    def handle(self) -> None:
        quoted = QUOTES[self.quote](self.secret)
        self.update_progress(50, quoted)
        self.log.info("about %s", quoted, body=quoted, parts={"all": [quoted]})
        raise type(f"Bad{self.secret}", (ValueError,), {})(quoted)


QUOTES: dict[str, Any] = {
    "str": str,
    "key": lambda secret: str(KeyError(f'no customer "{secret}"')),
    "repr": lambda secret: repr(f'no "{secret}"'),
    "words": lambda secret: str(["mail", f'--to="{secret}"']),
    "json in json": lambda secret: json.dumps({"body": json.dumps({"name": str(secret)})}),
    "shell": lambda secret: shlex.join(["mail", str(secret)]),
}


class Tagged(SecureJob):
    """Says its secret where none belongs."""

    def __init__(self, secret: str, option: str) -> None:
        super().__init__()
        self.set_sensitive_fields(["secret"])
        said = secret if option == "connection" else f"\n{secret}"
        setattr(self, option, [said] if option == "tags" else said)

    def handle(self) -> None: ...


class Free(SecureJob):
    """Asks for nothing but a signature."""

    def handle(self) -> None:
        HEARD.append(("free",))


class AsksMore(Job):
    """Asks for a permission from inside its attempt."""

    def handle(self) -> None:
        authorize_job(self, ["refund"])
        HEARD.append(("refunded",))


class Passes(Job):
    """Dispatches another job from inside its own, and another when it fails."""

    max_tries = 1

    def handle(self) -> None:
        Plain.dispatch("from handle")
        raise ValueError("enough")

    def failed(self, exception: Exception) -> None:
        Plain.dispatch("from failed")


class PassesLater(Passes):
    async def handle(self) -> None:  # type: ignore[override]
        await asyncio.sleep(0)
        super().handle()


class OwnNames(Job):
    """Has attributes of its own under the names that a secure job has."""

    def __init__(self) -> None:
        self._sensitive_fields = 7
        self._required_permissions = "all of them"

    def handle(self) -> None:
        HEARD.append(("own",))


class Misnamed(SecureJob):
    def __init__(self, card: str) -> None:
        super().__init__()
        self.set_sensitive_fields(["crad"])

    def handle(self) -> None: ...


class Whispered(SecureJob):
    def __init__(self, value: Any) -> None:
        self.value = value
        self.set_sensitive_fields(["value"])

    def handle(self) -> Any:
        HEARD.append(("plain", self.value))
        return self.value


class Enlarges(ChainableJob):
    """Adds to the chain that it is in."""

    def _handle(self) -> None:
        self.chain_prepend(Plain("next"))
        self.chain_append(Plain("last"))


class EnlargesLater(ChainableJob):
    """The same on an event loop."""

    async def _handle(self) -> None:
        await asyncio.sleep(0)
        self.chain_prepend(Plain("next"))


class Adds(BatchableJob):
    """Adds to the batch that it is in, a job and what is stored at once."""

    def _handle(self) -> None:
        assert self.batch is not None
        self.batch.add([Plain("member")])
        self.batch.add([[Plain("first"), Plain("second")]])


class Reads(ChainableJob):
    """Says what the steps before it returned."""

    max_tries = 1

    def _handle(self) -> Any:
        result = self.get_previous_result()
        HEARD.append(("read", result))
        return result


@dataclass
class Sum:
    total: int


class Totals(Job):
    """Returns a value of a class."""

    def handle(self) -> Sum:
        return Sum(3)


class _Logs:
    """Logs its secret wherever a job can, in every way."""

    max_tries = 1
    log: Any
    secret: Any

    def handle(self) -> None:
        log = self.log.bind(bound=self.secret)
        log.info("took %s", self.secret, field=self.secret, inside={"some": [self.secret]}, number=7)
        try:
            self._refuse()
        except ValueError:
            log.exception("it went wrong")
            raise

    def _refuse(self) -> None:
        raise ValueError(f"no luck with {self.secret}")

    def failed(self, exception: Exception) -> None:
        words = f"gave up on {self.secret}"
        self.log.error(words)


class LogsEncrypted(_Logs, Job, ShouldBeEncrypted):
    def __init__(self, secret: Any) -> None:
        self.secret = secret
        self.log.warning("made of %r", secret)


class LogsSensitive(_Logs, SecureJob):
    def __init__(self, secret: Any) -> None:
        super().__init__()
        self.secret = secret
        self.set_sensitive_fields(["secret"])
        self.log.warning("made of %r", secret)


class LogsEarly(_Logs, SecureJob):
    """Says which of its arguments is sensitive after it has logged it."""

    def __init__(self, secret: Any, *, also: Any = None) -> None:
        super().__init__()
        self.secret = secret
        self.log.warning("made of %r and %r", secret, also)
        self.set_sensitive_fields(["secret", "also"])


class LogsPlain(_Logs, Job):
    """Hides nothing by itself; its queue may."""

    def __init__(self, secret: Any) -> None:
        self.secret = secret
