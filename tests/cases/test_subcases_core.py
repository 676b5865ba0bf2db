"""Sub-cases as the core sees them: what they begin with, what they give back, how deep they go."""

from cases.actions import Given, Planned, ReportUnhandled, Subcase
from cases.data import DataSchema, DataType
from cases.engine import start
from cases.events import Ending
from cases.expressions.fields import reader_of
from cases.net import Branch, Net, Place, make_net
from cases.outlook.outlook import marking
from tests.cases.drawn import drawn, task
from tests.cases.driving import NOON, Case

CHECK = Subcase(
    "check",
    (
        Given("order", None, reader_of("data.order"), "data.order"),
        Given("kind", "full"),
        Given("note", None, reader_of("data.missing"), "data.missing"),
    ),
    (Given("price", None, reader_of("data.total"), "data.total"),),
)


def checking(**more: object) -> Net:
    """Return a net of one task that runs a sub-case."""
    work = task("work", "start", "after", actions=(Planned(CHECK, blocking=True),), **more)
    places = [Place(name, name) for name in ("start", "after", "wrong")]
    fields = {"order": DataSchema(), "price": DataSchema(type=DataType.INTEGER)}
    return make_net(places, [work], "start", fields=fields, max_depth=2)


def test_a_sub_case_begins_with_what_it_is_given() -> None:
    case = Case(checking(), {"order": 7})
    (command,) = case.performs
    assert isinstance(command.action, Subcase)
    assert command.action.data == {"order": 7, "kind": "full"}
    assert command.blocking


def test_what_it_gives_back_is_read_from_its_own_data() -> None:
    case = Case(checking())
    case.end(case.performs[0], status="closed", data={"total": 12})
    assert case.state.data["price"] == 12
    assert marking(case.state) == {"after": 1}


def test_what_does_not_fit_the_field_is_not_set() -> None:
    case = Case(checking())
    case.end(case.performs[0], status="closed", data={"total": "much"})
    assert "price" not in case.state.data
    assert any("price not set" in note for note in case.trace[-1].notes)


def test_data_of_another_shape_gives_back_nothing() -> None:
    case = Case(checking())
    case.end(case.performs[0], status="closed", data=[1])
    assert marking(case.state) == {"after": 1}


def test_a_sub_case_that_failed_goes_the_way_of_errors() -> None:
    case = Case(checking(error_outputs=(Branch("wrong"),)))
    case.end(case.performs[0], Ending.FAILED, status="cancelled", reason="called off")
    assert marking(case.state) == {"wrong": 1}


def test_a_sub_case_that_would_be_too_deep_fails_at_once_and_says_why() -> None:
    deep = start(checking(), {}, NOON, depth=2)
    (report,) = deep.commands
    assert isinstance(report, ReportUnhandled)
    assert "would be 3 deep, and the definition allows 2" in report.reason
    assert marking(deep.state) == {"after": 1}
    allowed = start(checking(), {}, NOON, depth=1)
    assert marking(allowed.state) == {}


def test_a_net_without_sub_cases_is_as_before() -> None:
    case = Case(drawn([task("work", "start", "end")]))
    assert case.performs == []
