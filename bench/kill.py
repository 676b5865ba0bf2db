"""The long kill test: every named point, and every process at random, under SMTP faults."""

import sys

from tests.kill.battle import Plan, run
from tests.kill.killing import PROCESSES

PLAN = Plan(
    mails=320,
    wave=5,
    wave_seconds=4.0,
    kills=32,
    kill_seconds=5.0,
    victims=PROCESSES,
    fault_share=0.3,
    fight_within_seconds=600.0,
    settle_within_seconds=300.0,
)


def measure() -> dict[str, str]:
    """Return what was fed, killed, sent and lost; raises if a promise was broken."""
    found = run(PLAN)
    if found.problems:
        raise AssertionError(f"promises were broken:\n{found.table()}")
    return dict(found.lines())


def main() -> int:
    """Run it and print what was found; 1 if a promise was broken."""
    found = run(PLAN)
    print(found.table())  # noqa: T201  # a command speaks on its terminal
    return 1 if found.problems else 0


if __name__ == "__main__":
    sys.exit(main())
