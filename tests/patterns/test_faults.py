"""The checks of the patterns find the faults that are planted in the engine."""

import pytest

from ledgers.casework.patterns import all_patterns
from tests.patterns import faults
from tests.patterns.planting import FAULTS, Fault
from tests.patterns.showing import CHECKS
from tests.patterns.test_patterns import CHECK_MODULES

# Importing them fills FAULTS and CHECKS.
FILLED_BY = (faults, CHECK_MODULES)
FINDINGS = [(fault, number) for fault in FAULTS for number in fault.patterns]


def _finds(pattern: int) -> bool:
    """Tell whether a check of a pattern fails; another error than its own is none of its finds."""
    for check in CHECKS:
        if check.pattern == pattern:
            try:
                check.run()
            except AssertionError:
                return True
    return False


@pytest.mark.parametrize(
    ("fault", "pattern"), FINDINGS, ids=[f"{fault}-{number:02}" for fault, number in FINDINGS]
)
def test_a_planted_fault_is_found_by_the_checks_of_its_patterns(
    fault: Fault, pattern: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault.plant(monkeypatch)
    assert _finds(pattern), fault.sentence


def test_for_each_pattern_there_is_a_fault_that_its_checks_find() -> None:
    assert {number for _, number in FINDINGS} == set(all_patterns())


def test_the_faults_have_names_and_sentences_of_their_own() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)
    assert len({fault.sentence for fault in FAULTS}) == len(FAULTS)
