"""What is concluded from what the Temporal server tells of its workers."""

from datetime import UTC, datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.taskqueue.v1 import PollerInfo

from clients.temporal import POLLED_WITHIN, polled_lately

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def _polled(ago: timedelta) -> PollerInfo:
    seen = Timestamp()
    seen.FromDatetime(NOW - ago)
    return PollerInfo(last_access_time=seen)


def test_a_worker_that_is_frozen_no_longer_counts_though_the_server_still_lists_it() -> None:
    frozen, alive = _polled(POLLED_WITHIN + timedelta(seconds=1)), _polled(timedelta(seconds=70))
    assert not polled_lately([], NOW)
    assert not polled_lately([frozen], NOW)
    assert polled_lately([frozen, alive], NOW)
