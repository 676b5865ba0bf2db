"""The cycles of a graph: sets of nodes that all lead to each other, and ways through them."""

from collections.abc import Callable, Collection, Mapping, Sequence

Graph = Mapping[str, Sequence[str]]


def cycles_of(graph: Graph) -> list[list[str]]:
    """Return the sets of nodes that all lead to each other, in the order of the graph's nodes.

    A node alone is one if it leads to itself. (Kosaraju: linear in the graph, without recursion.)
    """
    back: dict[str, list[str]] = {}
    for node, ways in graph.items():
        for to in ways:
            back.setdefault(to, []).append(node)
    seen: set[str] = set()
    last_first = [node for start in graph for node in _finished(graph, start, seen)][::-1]
    seen = set()
    sets = [set(_finished(back, start, seen)) for start in last_first if start not in seen]
    order = {node: index for index, node in enumerate(graph)}
    found = [sorted(one & order.keys(), key=order.__getitem__) for one in sets]
    cycles = [one for one in found if len(one) > 1 or (one and one[0] in graph[one[0]])]
    return sorted(cycles, key=lambda one: order[one[0]])


def _finished(graph: Graph, start: str, seen: set[str]) -> list[str]:
    """Return what is reached from a node and was not seen, each when all after it is done."""
    if start in seen:
        return []
    seen.add(start)
    done, stack = [], [(start, iter(graph.get(start, ())))]
    while stack:
        node, ways = stack[-1]
        after = next((one for one in ways if one not in seen), None)
        if after is None:
            done.append(node)
            stack.pop()
        else:
            seen.add(after)
            stack.append((after, iter(graph.get(after, ()))))
    return done


def way_to(
    graph: Graph, start: str, is_goal: Callable[[str], bool], inside: Collection[str]
) -> tuple[str, ...]:
    """Return a shortest way of at least one step from a node to a goal, without the node itself."""
    came: dict[str, str] = {}
    todo = [start]
    for node in todo:
        for after in graph.get(node, ()):
            if after not in inside or after in came:
                continue
            came[after] = node
            if is_goal(after):
                way = [after]
                while came[way[-1]] != start:
                    way.append(came[way[-1]])
                return tuple(reversed(way))
            todo.append(after)
    return ()
