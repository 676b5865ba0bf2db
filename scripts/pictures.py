"""Draws the pictures of docs/pictures from the examples.

`make docs` runs it; a test compares what it would draw with the files, so that neither drifts.
"""

from pathlib import Path

from cases.definitions import parse_definition
from cases.notation.documents import parse_document
from clients.drawing import drawn

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "docs" / "pictures"
SOURCES = {
    "support.svg": "examples/support.yaml",
    "critical-section.svg": "examples/patterns/39-critical-section.yaml",
}


def pictures() -> dict[str, str]:
    """Return every picture by its file's name."""
    return {
        name: drawn(parse_definition(parse_document((ROOT / source).read_text("utf-8"))))
        for name, source in SOURCES.items()
    }


if __name__ == "__main__":
    for name, svg in pictures().items():
        (FOLDER / name).write_text(svg, "utf-8")
