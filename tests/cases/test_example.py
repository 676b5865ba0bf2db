"""The example definition, walked through as its README does."""

from pathlib import Path

from cases.compiling.compile import net_of
from cases.definitions import canonical_json, parse_definition, parse_document
from cases.events import Event
from cases.outlook.outlook import deadlines
from cases.state import CaseStatus
from tests.cases.driving import NOON, Case

TEXT = Path("examples/support.yaml").read_text(encoding="utf-8")


def opened() -> Case:
    """Return a case that a first mail has opened."""
    net = net_of(canonical_json(parse_definition(parse_document(TEXT))))
    return Case(net, event=Event("m1", "email", NOON, {}))


def test_a_question_is_acknowledged_answered_again_and_closed_when_solved() -> None:
    case = opened()
    case.classify("question")
    assert case.at == "waiting"
    assert case.asked == ["classify", "reply acknowledged"]
    case.send("m2")
    case.classify("other")
    assert case.at == "waiting"
    case.send("m3")
    case.classify("solved")
    assert case.at == "closed"
    assert case.state.status is CaseStatus.CLOSED
    assert case.asked[2:] == ["classify", "reply answered", "classify", "reply goodbye"]
    assert case.consumed == ["m1", "m2", "m3"]


def test_a_case_that_waits_too_long_is_escalated_to_the_leads() -> None:
    case = opened()
    case.classify("question")
    (pending,) = deadlines(case.net, case.state)
    case.now = pending.due
    case.wait(seconds=0)
    assert case.at == "escalated"
    assert case.asked[-1] == "notify leads by overdue"


def test_a_complaint_goes_to_the_leads_at_once() -> None:
    case = opened()
    case.classify("complaint")
    assert case.at == "escalated"


def test_no_template_holds_a_keyword_that_a_quoted_reply_would_bring_back() -> None:
    definition = parse_definition(parse_document(TEXT))
    keywords = [word for label in definition.labels.values() for word in label.keywords]
    written = " ".join(
        f"{template.text} {template.html or ''}" for template in definition.templates.values()
    ).lower()
    assert [word for word in keywords if word in written] == []


def test_the_same_text_gives_the_same_net() -> None:
    assert net_of(TEXT) is net_of(TEXT)
