"""What the pages promise a reader is there: links, commands, settings, definitions, tests."""

import re
import tomllib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import typer
from dotenv import dotenv_values

from cases.notation.documents import parse_document
from everpost.cli.main import app
from ledgers.casework.registration import checked

ROOT = Path(__file__).parent.parent.parent
PAGES = sorted(
    [
        *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
        *(ROOT / "docs").rglob("*.md"),
    ]
)
LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
MAKE = re.compile(r"(?:`|^\s*)make ([a-z][a-z-]*)", re.MULTILINE)
COMMAND = re.compile(r"(?:`|\.venv/bin/)everpost((?: [a-z-]+)*)")
SETTING = re.compile(r"\bEVERPOST_[A-Z_]+[A-Z]\b")
TEST_FILE = re.compile(r"\btests/[\w/]+\.py")
YAML_BLOCK = re.compile(r"^```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def _named(page: Path) -> str:
    return str(page.relative_to(ROOT))


each_page = pytest.mark.parametrize("page", PAGES, ids=_named)


def _anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    text = FENCED.sub("", page.read_text("utf-8"))
    words = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in HEADING.findall(text))
    return {heading.strip().replace(" ", "-") for heading in words}


def _is_broken(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.exists():
        return True
    return bool(anchor) and target.suffix == ".md" and anchor not in _anchors(target)


@each_page
def test_every_link_inside_the_repository_leads_somewhere(page: Path) -> None:
    links = LINK.findall(FENCED.sub("", page.read_text("utf-8")))
    inside = [link for link in links if not re.match(r"[a-z]+:", link)]
    assert [link for link in inside if _is_broken(page, link)] == []


@each_page
def test_every_make_target_that_is_named_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert set(MAKE.findall(page.read_text("utf-8"))) - targets == set()


@each_page
def test_every_command_that_is_named_exists(page: Path) -> None:
    named = {tuple(words.split()) for words in COMMAND.findall(page.read_text("utf-8"))}
    assert {words for words in named if not _is_command(words)} == set()


def _is_command(words: tuple[str, ...]) -> bool:
    """Tell whether words lead to a command; what follows one are its arguments."""
    command: Any = typer.main.get_command(app)  # Any: typer keeps its command types to itself
    for word in words:
        children = getattr(command, "commands", None)
        if not children:
            return True
        if word not in children:
            return False
        command = children[word]
    return True


@each_page
def test_every_setting_that_is_named_exists(page: Path) -> None:
    known = set(dotenv_values(ROOT / ".env.example"))
    assert set(SETTING.findall(page.read_text("utf-8"))) - known == set()


@each_page
def test_every_test_that_proves_something_exists(page: Path) -> None:
    named = set(TEST_FILE.findall(page.read_text("utf-8")))
    assert {name for name in named if not (ROOT / name).is_file()} == set()


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    needed = [*project["project"]["dependencies"], *chain(*project["dependency-groups"].values())]
    names = {re.split(r"[\[<>=~!; ]", requirement)[0] for requirement in needed}
    told = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    assert {name for name in names if not re.search(rf"\b{re.escape(name)}\b", told)} == set()


def _definitions() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for number, block in enumerate(YAML_BLOCK.findall(page.read_text("utf-8"))):
            if block.startswith("id:"):
                yield f"{_named(page)}-{number}", block


@pytest.mark.parametrize("text", [pytest.param(t, id=name) for name, t in _definitions()])
def test_every_whole_definition_in_the_pages_can_be_registered(text: str) -> None:
    definition, _ = checked(parse_document(text))
    assert definition.id
