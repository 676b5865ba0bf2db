"""What the pages show can be used as it stands there."""

import re
from pathlib import Path

import pytest

from cases.definitions import parse_definition
from cases.expressions.conditions import Op
from cases.notation.documents import parse_document

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted((*DOCS.glob("*.md"), *DOCS.glob("how-to/*.md")))
YAML = re.compile(r"^ *```yaml\n(.*?)^ *```", re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_guard_that_a_page_shows_compares_by_an_operator_that_there_is(page: Path) -> None:
    blocks = YAML.findall(page.read_text("utf-8"))
    shown = {name for block in blocks for name in re.findall(r"\bop: (\w+)", block)}
    assert shown <= {op.value for op in Op}


def test_the_definition_of_the_tutorial_is_valid() -> None:
    blocks = YAML.findall((DOCS / "tutorial.md").read_text("utf-8"))
    whole = next(block for block in blocks if block.startswith("id: "))
    assert parse_definition(parse_document(whole)).id == "refund"


def test_every_net_of_the_page_on_tasks_and_conditions_is_valid() -> None:
    declared = {
        "id": "shown",
        "templates": {"thanks": {"text": "Thanks"}, "sorry": {"text": "Sorry"}},
        "teams": {"leads": ["leads@example.com"]},
        "data": {
            **{name: {"type": "number"} for name in ("amount", "limit")},
            **{name: {"type": "array"} for name in ("orders", "answers")},
        },
    }
    page = (DOCS / "how-to" / "write-tasks-and-conditions.md").read_text("utf-8")
    for block in YAML.findall(page):
        assert parse_definition({**declared, **parse_document(block)}).id == "shown"
