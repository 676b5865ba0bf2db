"""What is drawn of a definition, whichever notation it is written in."""

from cases.compiling.compile import compile_net
from cases.drawing.nets import picture_of_tasks
from cases.drawing.picture import MAX_DRAWN_NODES, CannotDraw, Marks, Picture, TooLargeToDraw
from cases.drawing.states import picture_of_states
from cases.notation.declarations import Definition
from cases.notation.states import StatesDefinition
from cases.notation.tasks import TasksDefinition


class NoSuchNet(CannotDraw):
    """A definition has no net of this name."""

    def __init__(self, name: str, names: tuple[str, ...]) -> None:
        """Keep the name, and say which there are."""
        there = f"it has {', '.join(names[:20])}" if names else "it has none beside its main one"
        super().__init__(f"The definition has no net {name[:64]!r}: {there}.")
        self.name = name
        self.names = names


def picture_of(
    definition: Definition, net: str | None = None, marks: Marks | None = None
) -> Picture:
    """Return what is drawn of a definition's net, by name or its main one.

    Raises NoSuchNet, and TooLargeToDraw before it has looked at a net that is.
    """
    marks = marks or Marks()
    match definition:
        case StatesDefinition():
            if net is not None:
                raise NoSuchNet(net, ())
            return picture_of_states(definition, compile_net(definition), marks)
        case TasksDefinition():
            if net is not None and net not in definition.nets:
                raise NoSuchNet(net, tuple(definition.nets))
            written = definition if net is None else definition.nets[net]
            parts = len(written.tasks) + len(written.conditions)
            if parts > MAX_DRAWN_NODES:
                raise TooLargeToDraw(parts, MAX_DRAWN_NODES)
            return picture_of_tasks(definition, net, compile_net(definition, net), marks)
        case _:
            raise TypeError(f"{type(definition).__name__} is in no notation that can be drawn")
