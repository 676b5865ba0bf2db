"""What is drawn of a net: nodes of text rows, and arrows between them; no places on paper yet."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from cases.errors import CaseError

# More than a person can look at; a drawing of this size, full of text, is 2 MB and takes 2 s.
MAX_DRAWN_NODES = 1_000
MAX_DRAWN_ARROWS = 2_000


class Look(StrEnum):
    """What a node looks like."""

    START = "start"  # a dot: here the case begins
    STATE = "state"  # a rounded box
    TASK = "task"  # a box
    CONDITION = "condition"  # a circle with its name beside it
    LABEL = "label"  # a text that stands on an arrow


class Icon(StrEnum):
    """A sign before a row of text."""

    MAIL = "mail"
    EVENT = "event"
    CLOCK = "clock"
    REPLY = "reply"
    NOTICE = "notice"
    LOCK = "lock"
    CANCEL = "cancel"
    NET = "net"


class Stroke(StrEnum):
    """How an arrow is drawn."""

    FLOW = "flow"
    READ = "read"  # without a head: the token stays
    ERROR = "error"
    CANCEL = "cancel"


class CannotDraw(CaseError):
    """What was asked for can't be drawn; the text says what to do."""


class TooLargeToDraw(CannotDraw):
    """A net has more parts than anybody could look at in one drawing."""

    def __init__(self, parts: int, limit: int) -> None:
        """Keep how many parts there are, and how many may be drawn."""
        super().__init__(
            f"The net has {parts} parts to draw, and a drawing holds {limit} at most:"
            " move parts of it into `nets`, and draw each by itself."
        )
        self.parts = parts
        self.limit = limit


@dataclass(frozen=True, slots=True)
class Row:
    """One row of text in a node, with or without a sign."""

    text: str
    icon: Icon | None = None


@dataclass(frozen=True, slots=True)
class Node:
    """Something that is drawn.

    `join` and `split` are the decorations of a task, in words; `final` and `several` double its
    outline; `tokens` rest here, and `running` firings are under way.
    """

    id: str
    look: Look
    name: str = ""
    rows: tuple[Row, ...] = ()
    about: str = ""
    join: str = ""
    split: str = ""
    final: bool = False
    several: bool = False
    tokens: int = 0
    running: int = 0


@dataclass(frozen=True, slots=True)
class Arrow:
    """A line from one node to another, by their ids."""

    source: str
    target: str
    stroke: Stroke = Stroke.FLOW
    head: bool = True


@dataclass(frozen=True, slots=True)
class Marks:
    """Where a case stands: tokens by place, and how often each task is running."""

    tokens: Mapping[str, int] = field(default_factory=dict)
    running: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Picture:
    """All that is drawn of one net."""

    title: str
    about: str
    nodes: tuple[Node, ...]
    arrows: tuple[Arrow, ...]

    def __post_init__(self) -> None:
        """Raise TooLargeToDraw unless a person could look at it."""
        for parts, limit in (
            (len(self.nodes), MAX_DRAWN_NODES),
            (len(self.arrows), MAX_DRAWN_ARROWS),
        ):
            if parts > limit:
                raise TooLargeToDraw(parts, limit)
