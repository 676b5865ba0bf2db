"""The 43 control-flow patterns as definitions: how they are found, and by which number.

Numbers, names and meanings are those of "Workflow Control-Flow Patterns: A Revised View" (BPM
Center, report BPM-06-22, 2006).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

from cases.notation.declarations import Definition
from cases.notation.documents import parse_document
from contracts.errors import PatternNotFound
from ledgers.casework import registration

FOLDER = Path(__file__).parents[2] / "examples" / "patterns"
FIRST = 1
LAST = 43
# Longer texts are no number of a pattern, and need not be read as one.
_MAX_DIGITS = 3


@dataclass(frozen=True, slots=True)
class Pattern:
    """A control-flow pattern with its definition, that one's canonical document, and its file."""

    number: int
    name: str
    meaning: str
    definition: Definition
    document: str
    text: str


@lru_cache(maxsize=1)
def all_patterns() -> Mapping[int, Pattern]:
    """Return the patterns by number; their files are read once.

    Raises DefinitionInvalid where a file holds no definition that can be registered.
    """
    found = [_read(path) for path in sorted(FOLDER.glob("*.yaml"))]
    return MappingProxyType({pattern.number: pattern for pattern in found})


def pattern_of(number: str) -> Pattern:
    """Return the pattern of a number as it stands in an address; raises PatternNotFound."""
    is_number = number.isascii() and number.isdigit() and len(number) <= _MAX_DIGITS
    found = all_patterns().get(int(number)) if is_number else None
    if found is None:
        raise PatternNotFound(number, FIRST, LAST)
    return found


def _read(path: Path) -> Pattern:
    text = path.read_text("utf-8")
    definition, document = registration.checked(parse_document(text))
    return Pattern(
        number=int(path.name.partition("-")[0]),
        name=definition.name or definition.id,
        meaning=definition.about or "",
        definition=definition,
        document=document,
        text=text,
    )
