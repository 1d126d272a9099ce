"""The keys of `qctl dashboard`: those of `qctl top`, and those that go from page to page."""

from __future__ import annotations

from qctl.screens.dashboard.pages import PAGES
from qctl.screens.keys import KEYS, Key

_FLOWS = ("batches", "chains")
_SHUT = frozenset({"metrics-job", "metrics-queue", "limits"})
"""Lists of what is no more than its row."""
_PANELS = {
    "pause": ("queues", "workers"),
    "retry": ("failed", *_FLOWS),
    "forget": ("failed", "locks"),
    "open": tuple(panel.name for page in PAGES for panel in page.panels if panel.name not in _SHUT),
    "kill": ("workers", "running", "pending", "delayed", "retrying", *_FLOWS),
}
"""Where keys of top mean something here."""
_SEVERAL = tuple(panel.name for page in PAGES if len(page.panels) > 1 for panel in page.panels)
_HELP = {
    "next_panel": "The next page",
    "retry": "Put back the failed job, or what failed of the batch or chain",
    "forget": "Drop the failed job, which qctl restore undoes for a day; free the lock",
    "kill": "Stop a worker (asked how); cancel a job, batch or chain",
    "open": "Open: the jobs of a queue, a job, a batch, chain or graph, what to do about a check",
    "jump": "Go by a name: :jobs failed smtp, :queue mail, :batch ID, :job ID, :tag customer:42, :workers",
}
_HERE = (
    *(
        Key(page.key, "0-9" if page.key == "1" else "", "", f"page('{page.name}')", _help)
        for page in PAGES
        if page.key
        for _help in ("To a page, by its digit" if page.key == "1" else "",)
    ),
    Key("g", "g", "Go", "go", "To a page, by its letter"),
    Key(
        "right_square_bracket,right",
        "]",
        "View",
        "view(1)",
        "The next list of the page, as other states of jobs",
        _SEVERAL,
    ),
    Key("left_square_bracket,left", "[", "", "view(-1)", "The list before", _SEVERAL),
    Key("m", "m", "Monitor", "watch", "Keep an eye on the tag, or no longer", ("tags",), acts=True),
    Key("w", "w", "Range", "range", "How far the charts look back", ("metrics-job", "metrics-queue")),
)


def _adapted(key: Key) -> Key:
    name = key.action.partition("(")[0]
    return key._replace(panels=_PANELS.get(name, key.panels), help=_HELP.get(name, key.help))


_TOPS_ALONE = ("panel(", "maximise", "sideways(")
"""Here digits and arrows go from page to page, and from list to list."""
DASHBOARD_KEYS = (*_HERE, *(_adapted(one) for one in KEYS if not one.action.startswith(_TOPS_ALONE)))
"""In the order of the footer and the help."""
