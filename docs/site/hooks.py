"""What mkdocs calls while it builds the site: brings in pages from outside of docs/, and those made from the code.

Pages keep the links that lead right in the repository. Here they are turned so that they lead right in the site, and
what they lead to outside of docs/ comes along.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import commands
import outside
import python
import shapes
from mkdocs.structure.files import File, Files

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.pages import Page

MADE = {
    "reference/commands.md": commands.page,
    **{f"reference/{module}.md": partial(python.module_page, module) for module in python.MODULES},
    "reference/others.md": python.others_page,
    "reference/json.md": shapes.page,
    "examples/README.md": outside.examples_page,
}
"""Pages that stand in no file, and what makes them."""
MAY_COME = {"dashboard.md", "horizon.md"}
"""Pages that the navigation has room for, and leaves out where they are missing."""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Leave out of the navigation what is still to come."""
    missing = {page for page in MAY_COME if not (outside.ROOT / "docs" / page).exists()}
    config.nav = _without(missing, config.nav)
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made, and whatever the pages lead to outside of docs/."""
    for uri, make in MADE.items():
        files.append(File.generated(config, uri, content=make()))
    for source in outside.needed():
        files.append(File.generated(config, outside.uri(source), abs_src_path=str(outside.ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Turn a page's links from the repository's places to those of the site."""
    if page.file.src_uri in MADE:
        return markdown
    return outside.turned(markdown, outside.source(page.file.src_uri))


def _without(missing: set[str], nav: Any) -> Any:
    if isinstance(nav, list):
        return [_without(missing, item) for item in nav if not (isinstance(item, dict) and missing & _pages(item))]
    return {title: _without(missing, below) for title, below in nav.items()} if isinstance(nav, dict) else nav


def _pages(item: dict[str, Any]) -> set[str]:
    return {page for page in item.values() if isinstance(page, str)}
