"""The part of Jinja2's syntax that mail templates may use, and the names that they read.

Calls, arithmetic and assignments are left out: nothing that a template holds can grow, and no
method of an object can be reached.
"""

import difflib
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from jinja2 import Environment, TemplateSyntaxError, nodes

from mail.writing.template_filters import FILTERS

_SOURCE_MAX_CHARS = 64_000
_LOOPS_MAX_DEPTH = 3
_NEAR = 0.6

_ALLOWED = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.Const,
    nodes.Getattr,
    nodes.Getitem,
    nodes.If,
    nodes.For,
    nodes.CondExpr,
    nodes.Compare,
    nodes.Operand,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.Neg,
    nodes.List,
    nodes.Tuple,
    nodes.Filter,
    nodes.Test,
    nodes.Keyword,
)
_WORDS = {
    nodes.Call: "a call",
    nodes.Assign: "'set'",
    nodes.Macro: "'macro'",
    nodes.Concat: "'~' (write two outputs side by side)",
    nodes.BinExpr: "arithmetic",
    nodes.Include: "'include'",
    nodes.Extends: "'extends'",
    nodes.Slice: "a slice",
}
TESTS = frozenset(
    {"defined", "undefined", "none", "string", "number", "boolean", "true", "false", "odd", "even"}
)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a template: where, and what to change."""

    part: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.part}, line {self.line}: {self.text}"


def parsed(
    environment: Environment, part: str, source: str
) -> tuple[list[Problem], nodes.Template | None]:
    """Return what is wrong with the syntax of a part, and its tree where there is one."""
    if len(source) > _SOURCE_MAX_CHARS:
        return [Problem(part, 1, f"it is longer than {_SOURCE_MAX_CHARS} characters")], None
    try:
        tree = environment.parse(source)
        problems = list(_syntax_problems(part, tree))
        if _loop_depth(tree) > _LOOPS_MAX_DEPTH:
            problems.append(Problem(part, 1, f"loops are nested more than {_LOOPS_MAX_DEPTH} deep"))
    except TemplateSyntaxError as error:
        return [Problem(part, error.lineno, error.message or "the syntax is wrong")], None
    except (RecursionError, MemoryError):
        return [Problem(part, 1, "it is nested too deeply")], None
    return problems, tree


def _syntax_problems(part: str, tree: nodes.Template) -> Iterator[Problem]:
    for node in tree.find_all(nodes.Node):
        if not isinstance(node, _ALLOWED):
            word = next((text for kind, text in _WORDS.items() if isinstance(node, kind)), None)
            found = word or f"'{type(node).__name__.lower()}'"
            yield Problem(part, node.lineno, f"{found} is not allowed in templates")
        elif isinstance(node, nodes.Filter) and node.name not in FILTERS:
            text = f"there is no filter {node.name!r}{nearest(node.name, FILTERS)}"
            yield Problem(part, node.lineno, text)
        elif isinstance(node, nodes.Filter) and (node.dyn_args or node.dyn_kwargs):
            yield Problem(part, node.lineno, "'*' is not allowed in templates")
        elif isinstance(node, nodes.Test) and node.name not in TESTS:
            text = f"there is no test {node.name!r}{nearest(node.name, TESTS)}"
            yield Problem(part, node.lineno, text)
        elif isinstance(node, nodes.For) and node.recursive:
            yield Problem(part, node.lineno, "a recursive loop is not allowed in templates")
        elif isinstance(node, nodes.Name) and (node.name == "self" or node.name.startswith("_")):
            yield Problem(part, node.lineno, f"the name {node.name!r} is reserved")


def _loop_depth(node: nodes.Node) -> int:
    deepest = max((_loop_depth(child) for child in node.iter_child_nodes()), default=0)
    return deepest + isinstance(node, nodes.For)


def nearest(name: str, known: Collection[str], texts: Collection[str] = ()) -> str:
    """Return a suggestion of the known name nearest to one, or all of them where none is near.

    Of a dotted name only as many parts are compared as the known name has; the others are kept,
    but not under one of the `texts`.
    """
    parts = name.split(".")
    heads = {entry: ".".join(parts[: entry.count(".") + 1]) for entry in sorted(known)}
    ratios = {
        entry: difflib.SequenceMatcher(None, entry, head).ratio() for entry, head in heads.items()
    }
    best = max(ratios, key=lambda entry: ratios[entry], default=None)
    if best is not None and ratios[best] >= _NEAR:
        rest = "" if best in texts else name.removeprefix(heads[best])
        return f": did you mean {best + rest!r}?"
    return f"; there are {', '.join(sorted(known))}"


def loop_names(tree: nodes.Template) -> frozenset[str]:
    """Return the names that the loops of a template bring along."""
    stored = (node.name for node in tree.find_all(nodes.Name) if node.ctx == "store")
    return frozenset({"loop", *stored})


def paths_read(tree: nodes.Template) -> list[tuple[tuple[str, ...], int]]:
    """Return every dotted name that a template reads, each at its longest, with its line."""
    found: list[tuple[tuple[str, ...], int]] = []
    inner: set[int] = set()
    # From the outside in: an access is seen before the shorter one that it contains.
    for node in tree.find_all((nodes.Getattr, nodes.Getitem, nodes.Name)):
        if id(node) in inner or (isinstance(node, nodes.Name) and node.ctx != "load"):
            continue
        path = _path(node, inner)
        if path:
            found.append((path, node.lineno))
    return found


def _path(node: nodes.Node, inner: set[int]) -> tuple[str, ...]:
    """Return the dotted name of an access; where a key is computed, the name before it."""
    keys: list[str] = []
    while isinstance(node, nodes.Getattr | nodes.Getitem):
        if isinstance(node, nodes.Getattr):
            keys.append(node.attr)
        elif isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str):
            keys.append(node.arg.value)
        else:
            keys.clear()
        node = node.node
        inner.add(id(node))
    return (node.name, *reversed(keys)) if isinstance(node, nodes.Name) else ()
