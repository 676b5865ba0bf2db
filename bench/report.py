"""What a benchmark found, as Markdown and as text for a terminal."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

Row = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A table; every row has as many cells as there are columns."""

    columns: Row
    rows: Sequence[Row]


@dataclass(frozen=True, slots=True)
class Section:
    """One benchmark's part of the report: tables, and sentences about them."""

    title: str
    tables: Sequence[Table]
    notes: Sequence[str] = field(default_factory=tuple)

    def markdown(self) -> str:
        """Return it as Markdown, beginning with its title."""
        parts = [f"## {self.title}", *map(_markdown_table, self.tables)]
        if self.notes:
            parts.append("\n".join(f"- {note}" for note in self.notes))
        return "\n\n".join(parts) + "\n"

    def text(self) -> str:
        """Return it as plain text with aligned columns."""
        parts = [f"{self.title}\n{'=' * len(self.title)}", *map(_text_table, self.tables)]
        parts.extend(f"- {note}" for note in self.notes)
        return "\n".join(parts) + "\n"


def write_results(path: Path, preamble: str, sections: Sequence[Section]) -> None:
    """Write the report; sections of an earlier run that this one did not measure stay."""
    known = _sections_of(path.read_text("utf-8")) if path.exists() else {}
    known |= {section.title: section.markdown() for section in sections}
    path.write_text("\n".join([preamble.rstrip() + "\n", *known.values()]), "utf-8")


def _sections_of(text: str) -> dict[str, str]:
    parts = text.split("\n## ")[1:]
    return {part.partition("\n")[0]: f"## {part.rstrip()}\n" for part in parts}


def _markdown_table(table: Table) -> str:
    lines = [table.columns, tuple("---" for _ in table.columns), *table.rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _text_table(table: Table) -> str:
    lines = [table.columns, *table.rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(table.columns))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
