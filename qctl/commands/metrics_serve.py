"""`qctl metrics:serve`."""

from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import Annotated, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import typer

from qcore.errors import QueueError
from qctl import output
from qctl.context import Invocation
from qctl.exits import CommandFailed, Exit, WrongUsage

EXAMPLES = ("qctl metrics:serve", "qctl metrics:serve --addr 0.0.0.0:9400")
EXITS = (Exit.FAILED, Exit.USAGE, Exit.CONFIGURATION)
_TEXT = "text/plain; version=0.0.4; charset=utf-8"
_LARGEST_PORT = 65535

Answer = tuple[str, bytes]
"""The status, and the body."""


def run(
    ctx: typer.Context,
    addr: Annotated[
        str, typer.Option("--addr", metavar="HOST:PORT", help="Where to listen; port 0 takes a free one.")
    ] = "127.0.0.1:9400",
) -> None:
    """Serve the figures to Prometheus.

    Ends with Ctrl-C. /metrics is what Prometheus scrapes, /healthz answers while this process lives, /readyz while
    every store does.
    Whoever can reach the port can read the names of queues and jobs: keep it to networks of yours.
    """
    call = Invocation.of(ctx)
    host, port = _address(addr)
    call.exposition()  # what is missing is said now, not to the first who asks
    pages = {"/metrics": lambda: ("200 OK", call.exposition()), "/healthz": _alive, "/readyz": lambda: _ready(call)}
    try:
        server = make_server(host, port, _application(pages), server_class=_Server, handler_class=_Handler)
    except OSError as error:
        reason = error.strerror or error
        raise CommandFailed(f"--addr {addr}: cannot listen there: {reason}", Exit.FAILED) from error
    with server:
        output.note(call, f"serving http://{host}:{server.server_port}/metrics; Ctrl-C ends it")
        server.serve_forever()


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Handler(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the library's name
        """Say nothing of each request."""


def _application(pages: dict[str, Callable[[], Answer]]) -> Callable[..., Iterable[bytes]]:
    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        page = pages.get(environ.get("PATH_INFO", ""))
        if environ.get("REQUEST_METHOD") not in {"GET", "HEAD"}:
            status, body = "405 Method Not Allowed", b"only GET\n"
        elif page is None:
            status, body = "404 Not Found", f"pages are {', '.join(pages)}\n".encode()
        else:
            status, body = page()
        start_response(status, [("Content-Type", _TEXT), ("Content-Length", str(len(body)))])
        return [body]

    return answer


def _alive() -> Answer:
    return "200 OK", b"alive\n"


def _ready(call: Invocation) -> Answer:
    try:
        for name in call.connections_in_use():
            call.monitor.ping(name)
    except QueueError as error:
        return "503 Service Unavailable", f"{error.message}\n".encode()
    return "200 OK", b"ready\n"


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or int(port) > _LARGEST_PORT:
        raise WrongUsage(f"--addr {text!r} is no address", hint="write HOST:PORT, such as 127.0.0.1:9400")
    return host.strip("[]"), int(port)
