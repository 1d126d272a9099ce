"""`qctl dashboard` from the command line: on a terminal, served, and what it refuses."""

from __future__ import annotations

import json
import os
import re
import socket
from urllib.error import HTTPError
from urllib.request import HTTPCookieProcessor, Request, build_opener

import pytest
from shop import Schemas, Shop


def secret_in(shop: Shop, mode: int, text: str = "a secret of more than sixteen\n") -> None:
    path = shop.folder / "secret"
    path.write_text(text)
    path.chmod(mode)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ([], 2, "qctl dashboard needs a terminal"),
        (["--page", "nowhere"], 2, "there is no page 'nowhere'"),
        (["--theme", "nowhere"], 2, "there is no theme 'nowhere'"),
        (["--delay", "soon"], 2, "--delay: 'soon' is no duration"),
        (["--serve", "--path", "/"], 2, "--path '/' is no path"),
        (["--serve", "--path", "/a b"], 2, "--path '/a b' is no path"),
        (["--serve", "--path", "/healthz"], 2, "--path '/healthz' is no path"),
        (["--serve", "--port", "70000"], 2, "invalid value for '--port': 70000 is not in the range"),
        (["--serve", "--host", "0.0.0.0"], 2, "--host 0.0.0.0 can be reached from elsewhere"),
        (["--serve", "--host", "queues.example"], 2, "--host queues.example can be reached from elsewhere"),
        (["--serve", "--auth", "nowhere"], 5, "--auth nowhere: No such file or directory"),
    ],
)
def test_what_is_refused(words: list[str], code: int, message: str, shop: Shop) -> None:
    first, *rest = shop.qctl("dashboard", *words, expect=code).err.splitlines()
    assert first.startswith(f"error: {message}")
    assert all(line.startswith("hint: ") for line in rest)


@pytest.mark.parametrize(
    ("mode", "text", "message"), [(0o644, "x" * 20, "can be read by others"), (0o600, "short", "a secret has 16")]
)
def test_a_secret_that_is_none(mode: int, text: str, message: str, shop: Shop) -> None:
    secret_in(shop, mode, text)
    assert message in shop.qctl("dashboard", "--serve", "--auth", "secret", expect=5).err


def test_a_port_that_is_taken(shop: Shop) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        told = shop.qctl("dashboard", "--serve", "--port", str(port), expect=1).err
    assert f"--port {port}: cannot listen there" in told


def test_on_a_terminal(busy: Shop) -> None:
    screen = busy.spawn("dashboard", "--page", "failed")
    screen.expect("Boom")
    screen.send("1")
    screen.expect("Jobs/min")
    screen.send("q")
    screen.expect(r"\x1b\[\?1049l")  # the terminal is as it was
    screen.wait()
    assert screen.exitstatus == 0


def test_a_url_is_handed_on_where_nobody_else_sees_it(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command line is seen by everybody on the host; an environment is not."""
    from qctl.commands import dashboard_serve, handing
    from qctl.context import Flags, Invocation

    monkeypatch.delenv("QCTL_URL", raising=False)
    monkeypatch.chdir(shop.folder)
    call = Invocation(flags=Flags(url="redis://:sesame@127.0.0.1:1/0"))
    asked = dashboard_serve.Asked("127.0.0.1", 8000, "/horizon", None, 8, 60.0, writable=False)
    site = dashboard_serve.server_of(call, asked, []).site
    assert "sesame" not in " ".join([*site.app, *site.flags])
    assert list(site.flags) == []
    with handing.told(call):
        assert os.environ["QCTL_URL"] == "redis://:sesame@127.0.0.1:1/0"
    assert "QCTL_URL" not in os.environ


def test_served(busy: Shop, schemas: Schemas) -> None:
    secret_in(busy, 0o600)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    server = busy.spawn("dashboard", "--serve", "--port", port, "--auth", "secret", columns=200)
    server.expect(rf"open (http://127\.0\.0\.1:{port}/horizon/\?token=\S+) \(works once\)")
    url = str(server.match[1])
    browser = build_opener(HTTPCookieProcessor())
    assert browser.open(url, timeout=30).status == 200
    root = url.partition("?")[0]
    assert re.search(rb'id="terminal"', browser.open(root, timeout=30).read())
    by_secret = Request(f"{root}api/failed", headers={"Authorization": "Bearer a secret of more than sixteen"})
    body = json.load(build_opener().open(by_secret, timeout=30))
    schemas.check("failed", body)
    assert len(body["data"]["jobs"]) == 2
    with pytest.raises(HTTPError, match="403"):
        build_opener().open(root, timeout=30)
    server.sendintr()
    server.expect("\r\n")
    server.wait()
