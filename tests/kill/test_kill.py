"""The short kill test; the long one is `python -m bench.kill`."""

from ledgers.crash_points import CrashPoint
from tests.kill.battle import Plan, run

PLAN = Plan(
    mails=120,
    wave=4,
    wave_seconds=1.5,
    kills=1,
    kill_seconds=20.0,
    victims=("temporal",),
    fault_share=0.25,
)


def test_nothing_is_lost_or_doubled_when_each_process_dies_at_each_named_point() -> None:
    report = run(PLAN)
    assert not report.problems, report.table()
    assert sorted(report.points_hit) == sorted(CrashPoint)
    assert report.mails >= PLAN.mails
    assert {"person", "robot", "monster", "bounce", "lost bounce"} <= report.mail_kinds.keys()
    assert report.holds["released"] + report.holds["withdrawn"]
    assert report.told["applied"]
    assert (report.doubled, report.killed_thrice) == (0, 0)
