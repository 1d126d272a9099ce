"""`qctl dashboard --serve` in a real browser: it comes in by the URL, sees numbers move, and acts by keys."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fakes.store import needed
from screen_jobs import Fails, Works
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from servers import session
from servers.base import free_port

from qcore import QueueManager, dispatch_many
from qcore.monitor import Monitor
from qcore.states import JobState
from qcore.testing import WorkerTester

pytestmark = pytest.mark.slow
HERE = Path(__file__).parent
_AS_TEXT = "HTMLCanvasElement.prototype.getContext = () => null"
"""Without a canvas the page draws its characters as text, which can be read here."""
_PLAIN = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--window-size=1280,800")
_QUIET = ("--disable-background-networking", "--disable-component-update", "--disable-sync")


class Browser:
    """A Chromium of the test's own.

    Args:
        profile: an empty folder.
    """

    def __init__(self, profile: Path) -> None:
        with needed():
            chromium, driver = session.require_programs(
                "chromium", "chromium chromium-driver", "chromium", "chromedriver"
            )
        options = webdriver.ChromeOptions()
        for flag in (*_PLAIN, *_QUIET, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.binary_location = chromium
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self._driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
        self._driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": _AS_TEXT})

    def open(self, url: str) -> None:
        self._driver.get(url)

    def press(self, *keys: str) -> None:
        self._driver.find_element(By.CSS_SELECTOR, ".xterm-helper-textarea").send_keys("")  # has the focus
        ActionChains(self._driver).send_keys(*keys).perform()

    def page(self) -> str:
        """What a person would read, whether of the terminal or of a plain page."""
        seen = "(document.querySelector('.xterm-rows') || document.body)"  # a page that has just begun has neither
        text = self._driver.execute_script(f"return {seen}?.innerText ?? ''")
        return str(text).replace("\xa0", " ")

    def shows(self, words: str, within_s: float = 60.0) -> str:
        """Wait until the page matches a pattern; returns it."""
        deadline = time.monotonic() + within_s
        while not re.search(words, page := self.page()):
            assert time.monotonic() < deadline, f"{words!r} is not shown:\n{page}"
            time.sleep(0.1)
        return page

    def complaints(self) -> list[str]:
        """What the browser says went wrong with the page."""
        return [str(one["message"]) for one in self._driver.get_log("browser") if one["level"] == "SEVERE"]

    def close(self) -> None:
        self._driver.quit()


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    found = Browser(tmp_path / "profile")
    yield found
    found.close()


@contextmanager
def served(folder: Path, *words: str) -> Iterator[str]:
    """Serve the store of a folder; gives the URL that lets one browser in."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("QCTL_")}
    environment |= {"QCTL_URL": f"sqlite:///{folder}/queue.db", "PYTHONPATH": str(HERE)}
    command = [sys.executable, "-m", "qctl", "dashboard", "--serve", "--port", str(free_port()), *words]
    with subprocess.Popen(command, env=environment, cwd=folder, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        said = ""
        while (found := re.search(r"open (\S+)", said)) is None:
            line = server.stderr.readline()
            assert line, said
            said += line
        try:
            yield found[1]
        finally:
            server.terminate()


def awaited(holds: Callable[[], bool]) -> bool:
    """Whether something came to hold."""
    deadline = time.monotonic() + 60
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def test_a_browser_sees_numbers_move_and_retries_by_keyboard(
    browser: Browser, tmp_path: Path, manager: QueueManager
) -> None:
    job_id = str(Fails.dispatch())
    WorkerTester(manager).work("mail", surface=False)
    Works().on_queue("bulk").dispatch()
    with served(tmp_path, "--delay", "0.5s") as url:
        browser.open(url)
        browser.shows(r"Failed 7 d\s+1\b")
        browser.shows(r"bulk\s+\S+ run\s+1\b")
        dispatch_many(Works().on_queue("bulk") for _ in range(4))
        browser.shows(r"bulk\s+\S+ run\s+5\b")
        browser.press("4")
        browser.shows("ValueError: no such address")
        browser.press("r")
        assert awaited(lambda: Monitor(manager).job(job_id).state is JobState.PENDING)
        browser.shows("No failed jobs")
        browser.press("3")
        browser.shows(rf"Fails\s.*{job_id}")
        browser.press(Keys.ENTER)
        assert job_id[:8] in browser.shows("Timeline")
        assert browser.complaints() == []


def test_a_browser_without_the_token_is_asked_for_it(browser: Browser, tmp_path: Path, manager: QueueManager) -> None:
    with served(tmp_path) as url:
        browser.open(url.partition("?")[0])
        page = browser.shows("(?i)token")
        assert "Jobs/min" not in page
