"""What distinguishes each control-flow pattern from its neighbours, on the engine alone."""

import pytest

from cases.soundness.verdict import Soundness
from ledgers.casework import registration
from ledgers.casework.patterns import FIRST, FOLDER, LAST, all_patterns
from tests.patterns import basic_checks, instance_checks, join_checks, state_checks
from tests.patterns.running import play
from tests.patterns.showing import CHECKS, Check

# Importing them fills CHECKS.
CHECK_MODULES = (basic_checks, instance_checks, join_checks, state_checks)
PAGE = FOLDER.parent.parent / "docs" / "patterns.md"
NUMBERS = range(FIRST, LAST + 1)


def test_there_are_43_patterns_each_in_the_file_of_its_number() -> None:
    patterns = all_patterns()
    assert list(patterns) == list(NUMBERS)
    for number, path in zip(NUMBERS, sorted(FOLDER.iterdir()), strict=True):
        assert path.name.startswith(f"{number:02}-")
        assert patterns[number].definition.id == f"wcp-{path.stem}"


def test_each_pattern_has_a_name_and_a_sentence_of_its_own() -> None:
    patterns = all_patterns().values()
    assert len({pattern.name for pattern in patterns}) == len(NUMBERS)
    assert len({pattern.meaning for pattern in patterns}) == len(NUMBERS)
    assert all(pattern.meaning.endswith(".") for pattern in patterns)


def test_the_page_of_patterns_has_each_with_its_name_and_sentence() -> None:
    page = PAGE.read_text("utf-8")
    for number, pattern in all_patterns().items():
        file = f"../examples/patterns/{pattern.definition.id.removeprefix('wcp-')}.yaml"
        assert f"| {number} | [{pattern.name}]({file}) | {pattern.meaning} |" in page


def test_each_pattern_has_a_check() -> None:
    assert {check.pattern for check in CHECKS} == set(NUMBERS)


@pytest.mark.parametrize("number", NUMBERS)
def test_its_example_runs_a_pattern_to_its_end(number: int) -> None:
    run = play(number)
    assert run.closed, run.state


@pytest.mark.parametrize("number", NUMBERS)
def test_a_pattern_is_sound(number: int) -> None:
    assert registration.judged(all_patterns()[number].definition).verdict is Soundness.SOUND


@pytest.mark.parametrize("check", CHECKS, ids=str)
def test_a_pattern_does(check: Check) -> None:
    check.run()
