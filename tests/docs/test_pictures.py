"""The pictures of the pages show the examples as they are."""

from scripts import pictures


def test_the_pictures_are_as_the_examples_would_be_drawn_now() -> None:
    assert pictures.pictures() == {
        file.name: file.read_text("utf-8") for file in pictures.FOLDER.iterdir()
    }, "docs/pictures differs from the examples: run `make docs`"
