"""The reference is what the code says, word for word."""

import pytest

from scripts import reference


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return reference.pages()


def test_the_reference_is_as_the_code_would_write_it_now(pages: dict[str, str]) -> None:
    stale = [
        name
        for name, text in pages.items()
        if not (file := reference.FOLDER / name).is_file() or file.read_text("utf-8") != text
    ]
    assert stale == [], "docs/reference differs from the code: run `make docs`"


def test_the_reference_holds_no_page_that_nothing_writes(pages: dict[str, str]) -> None:
    assert {file.name for file in reference.FOLDER.iterdir()} == set(pages)
