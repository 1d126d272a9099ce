"""Producer side, run inside a peer's own environment.

    python driver.py MODULE setup|send|bulk|latency [N]

A module offers send(sent, user, template), optionally send_bulk(list of such triples) and setup(). So that it connects
before the clock runs, an async one also offers session(), an async context, and a sync one may offer connect().
Prints the seconds that N jobs took.
"""

import asyncio
import contextlib
import importlib
import inspect
import random
import sys
import time
from collections.abc import Iterator
from types import ModuleType

THOUSAND = 1_000


def job() -> tuple[str, str, str]:
    return repr(time.time()), "customer-4711", "welcome-mail"


def chunks(n: int) -> Iterator[list[tuple[str, str, str]]]:
    for start in range(0, n, THOUSAND):
        yield [job() for _ in range(min(THOUSAND, n - start))]


def pauses(n: int) -> Iterator[float]:
    for _ in range(n):
        yield random.uniform(0.010, 0.020)


def run_sync(module: ModuleType, action: str, n: int) -> float:
    getattr(module, "connect", lambda: None)()
    began = time.perf_counter()
    if action == "setup":
        module.setup()
    elif action == "send":
        for _ in range(n):
            module.send(*job())
    elif action == "bulk":
        for batch in chunks(n):
            module.send_bulk(batch)
    else:
        for pause in pauses(n):
            time.sleep(pause)
            module.send(*job())
    return time.perf_counter() - began


async def run_async(module: ModuleType, action: str, n: int) -> float:
    async with getattr(module, "session", contextlib.nullcontext)():
        began = time.perf_counter()
        if action == "setup":
            await module.setup()
        elif action == "send":
            for _ in range(n):
                await module.send(*job())
        elif action == "bulk":
            for batch in chunks(n):
                await module.send_bulk(batch)
        else:
            for pause in pauses(n):
                await asyncio.sleep(pause)
                await module.send(*job())
        return time.perf_counter() - began


def main(name: str, action: str, n: int = 0) -> float:
    module = importlib.import_module(name)
    call = getattr(module, {"bulk": "send_bulk", "setup": "setup"}.get(action, "send"), None)
    if call is None:
        return 0.0
    if inspect.iscoroutinefunction(call):
        return asyncio.run(run_async(module, action, n))
    return run_sync(module, action, n)


if __name__ == "__main__":
    print(main(*sys.argv[1:3], *map(int, sys.argv[3:])))
