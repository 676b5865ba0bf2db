"""Reading YAML and JSON: what is read, and what is refused with its line."""

import pytest

from cases.errors import DefinitionInvalid
from cases.notation.documents import parse_document


def problem_in(text: str) -> str:
    """Return the only problem of a text."""
    with pytest.raises(DefinitionInvalid) as refused:
        parse_document(text)
    (problem,) = refused.value.problems
    return str(problem)


def test_words_that_yaml_1_1_takes_for_booleans_are_words() -> None:
    assert parse_document("on: yes\noff: no\ny: n") == {"on": "yes", "off": "no", "y": "n"}


def test_scalars_are_those_of_json_and_everything_else_is_text() -> None:
    text = "a: 1\nb: -2.5\nc: true\nd: null\ne: 2026-01-31\nf: 010\ng: 1:30\nh: '1'\ni: 1e3\nj: 1_0"
    assert parse_document(text) == {
        "a": 1,
        "b": -2.5,
        "c": True,
        "d": None,
        "e": "2026-01-31",
        "f": "010",
        "g": "1:30",
        "h": "1",
        "i": 1000.0,
        "j": "1_0",
    }


def test_json_is_read_with_its_own_escapes_and_tabs() -> None:
    assert parse_document('{\t"a": "\\ud83d\\ude00", "b": [1, {"c": null}]}') == {
        "a": "😀",
        "b": [1, {"c": None}],
    }


def test_a_duplicate_key_is_refused_with_both_lines() -> None:
    assert problem_in("id: a\nname: b\nid: c") == (
        "line 3: the key 'id' is there twice (first in line 1)"
    )


def test_a_duplicate_key_of_json_is_refused_with_its_line() -> None:
    assert problem_in('{"id": "a",\n "id": "b"}').startswith("line 2: the key 'id' is there twice")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: &x [1]\nb: *x", "line 1: anchors (&name) are not allowed"),
        ("a: *x", "line 1: aliases (*name) are not allowed"),
        ("a: !!python/object:os.system x", "line 1: the tag tag:yaml.org,2002:python/object"),
        ("a: !env SECRET", "line 1: the tag !env is not allowed"),
        ("a: !!set {b}", "line 1: the tag tag:yaml.org,2002:set is not allowed"),
        ("a: 1\n---\nb: 2", "line 2: a second document starts here"),
        ("a: 1\n  b: 2", "line 2: this is not YAML"),
        ("a: [1, 2", "this is not YAML"),
        ("1: a", "line 1: a key is a number"),
        ("true: a", "line 1: a key is true or false"),
        ("? [a]\n: b", "line 1: a key is a list"),
        ("a: .nan", "line 1: .nan is not a number that JSON has"),
        ("a: -.inf", "line 1: -.inf is not a number that JSON has"),
        ("a: 1e999", "line 1: 1e999 is too large"),
        ('{"a": NaN}', "a definition"),
        ("- a", "a definition is a mapping with id, start, and states or tasks, not a list"),
        ("", "a definition is a mapping with id, start, and states or tasks, not nothing"),
        ("just text", "a definition is a mapping with id, start, and states or tasks, not text"),
        ("a: \x00", "this is not YAML"),
        ("a: \ud800", "this is not YAML"),
    ],
)
def test_what_is_no_plain_document_is_refused(text: str, said: str) -> None:
    if text == '{"a": NaN}':
        # YAML reads it as text: a word like any other, for the definition's checks to refuse.
        assert parse_document(text) == {"a": "NaN"}
        return
    assert said in problem_in(text)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"a":' * 50_000,
        "{" * 100_000,
        "- " * 100_000,
        "? " * 100_000,
        "a: " * 80_000,
        "!" * 200_000,
        "&" * 200_000,
        "a: |\n" + " " * 200_000,
        "[" + "a," * 120_000 + "]",
        "{" + ",".join(f"k{i}: 1" for i in range(20_000)) + "}",
        '"' + "\\" * 200_000,
        "#" * 260_000,
        "x" * 600_000,
        "é" * 140_000,
        "a: " + "9" * 200_000,
    ],
    ids=range(16),
)
def test_hostile_texts_end_in_a_result_or_in_a_clear_error(text: str) -> None:
    try:
        parse_document(text)
    except DefinitionInvalid as error:
        refused = error
    else:
        return
    assert all(len(str(problem)) < 1_000 for problem in refused.problems)
