"""Where a file of the repository stands in the site, and the links between the two."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PLACES = {"README.md": "index.md", "examples": "examples/README.md"}
"""Of a few files of the repository, where they stand; what is in docs/ stands without it, the rest where it stands."""
LINK = re.compile(r"(?<=\]\()(?P<target>[^)\s#:]+)(?P<anchor>#[^)\s]+)?(?=\))")
FENCE = re.compile(r"^```.*?^```$", flags=re.MULTILINE | re.DOTALL)


def uri(source: str) -> str:
    """Where a file of the repository stands in the site."""
    return PLACES.get(source, source.removeprefix("docs/"))


def source(uri: str) -> str:
    """Which file of the repository a page of the site is."""
    places = {place: origin for origin, place in PLACES.items()}
    return places.get(uri) or (uri if (ROOT / uri).exists() and not (ROOT / "docs" / uri).exists() else f"docs/{uri}")


def needed() -> list[str]:
    """The files outside of docs/ that the site needs: those that its pages lead to, whether directly or not."""
    ahead = ["README.md", *(str(path.relative_to(ROOT)) for path in sorted(ROOT.glob("docs/**/*.md")))]
    ahead += example_pages()
    seen: set[str] = set()
    while ahead:
        document = ahead.pop()
        if document not in seen and (ROOT / document).is_file():  # of one that leads nowhere mkdocs itself warns
            seen.add(document)
            ahead += _targets(document) if document.endswith(".md") else ()
    return sorted(document for document in seen if not document.startswith("docs/"))


def example_pages() -> list[str]:
    """The page of each example."""
    return [str(path.relative_to(ROOT)) for path in sorted(ROOT.glob("examples/*/README.md"))]


def examples_page() -> str:
    """A page that lists the examples, each with its heading."""
    lines = ["# Examples", "", "Each runs as it stands, and is tested.", ""]
    for page in example_pages():
        heading = (ROOT / page).read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")
        lines.append(f"- [{heading}]({page.removeprefix('examples/')})")
    return "\n".join(lines) + "\n"


def turned(markdown: str, document: str) -> str:
    """A document of the repository with links that lead right from where it stands in the site.

    Args:
        markdown: its text.
        document: its path from the root of the repository.
    """

    def there(link: re.Match[str]) -> str:
        target = uri(_resolved(document, link["target"]))
        return posixpath.relpath(target, posixpath.dirname(uri(document)) or ".") + (link["anchor"] or "")

    pieces = re.split(f"({FENCE.pattern})", markdown, flags=FENCE.flags)
    return "".join(piece if piece.startswith("```") else LINK.sub(there, piece) for piece in pieces)


def _targets(document: str) -> Iterator[str]:
    text = FENCE.sub("", (ROOT / document).read_text(encoding="utf-8"))
    for link in LINK.finditer(text):
        yield _resolved(document, link["target"])


def _resolved(document: str, target: str) -> str:
    """The path from the root of the repository that a link in a document means."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(document), target))
