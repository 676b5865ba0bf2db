"""A definition with wrong shapes, mended just so far that the rest of it can be checked too."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from cases.notation.shapes import written_place
from cases.values import JSON

# What stands in for a declaration of the wrong shape, so that its name counts as declared.
_STAND_INS: Mapping[str, JSON] = {
    "labels": "",
    "teams": ["team@example.com"],
    "templates": {"text": ""},
    "data": {},
}
_OPTIONAL = (
    *("name", "about", "starts", "classifier", "unknown_outcome", "after_close", "example"),
    *("ends", "locks", "max_depth"),
)


def mended_spec(spec: Mapping[str, JSON], error: ValidationError) -> Any:
    """Return a copy of a spec without what pydantic found wrong, as far as that is easy.

    Any: it is on its way back into pydantic, which may well find more.
    """
    mended = json.loads(json.dumps(spec))
    for detail in error.errors(include_url=False):
        _mend(mended, detail["type"], list(written_place(detail)))
    return mended


def _mend(spec: Any, kind: str, place: list[str | int]) -> None:
    """Mend one place; what cannot be mended is left as it is."""
    root = place[0] if place else ""
    nodes = place[2:] if root == "nets" else place
    if root == "states":
        _mend_state(spec, kind, place)
    elif nodes and nodes[0] in ("tasks", "conditions"):
        _mend_node(spec, kind, place, len(place) - len(nodes) + 2)
    elif kind == "extra_forbidden":
        _remove(spec, place)
    elif root in _STAND_INS and len(place) > 1 and place[-1] != "[key]":
        _replace(spec, place[:2], _STAND_INS[str(root)])
    elif root in _OPTIONAL:
        _remove(spec, place[:1])
    elif root == "id":
        spec["id"] = "mended"


def _mend_state(spec: Any, kind: str, place: list[str | int]) -> None:
    """Mend a part of a state without moving its neighbours in their lists."""
    action = _action_place(place, 2)
    if "when" in place[2:]:
        _remove(spec, place[: place.index("when", 2) + 1])
    elif action is not None:
        _replace_action(spec, action)
    elif kind == "extra_forbidden" or place[-1] in ("about", "final", "to"):
        _remove(spec, place)
    elif place[-1] == "event":
        _replace(spec, place, "mended")
    elif len(place) > 3 and place[2] == "deadlines":
        _replace(spec, place[:4], {"after": "1 hour"})


def _mend_node(spec: Any, kind: str, place: list[str | int], depth: int) -> None:
    """Mend a part of a task or condition; `depth` keys lead to it.

    What is left out may be missed elsewhere, but nothing that is missing is named in a mended spec.
    """
    action = _action_place(place, depth)
    if "when" in place[depth:]:
        _remove(spec, place[: place.index("when", depth) + 1])
    elif action is not None:
        _replace_action(spec, action)
    elif kind == "extra_forbidden":
        _remove(spec, place)
    elif place[depth : depth + 1] == ["deadlines"] and len(place) > depth + 1:
        _replace(spec, place[: depth + 2], {"after": "1 hour"})
    elif len(place) == depth and place[-1] != "[key]":
        _replace(spec, place, {})
    else:
        _remove(spec, place[: depth + 1])


def _replace_action(spec: Any, place: list[str | int]) -> None:
    """Put an action in the place of a wrong one that needs nothing but a label."""
    _replace(spec, place, "classify")
    if not spec.get("labels"):
        spec["labels"] = {"mended": ""}


def _action_place(place: list[str | int], depth: int) -> list[str | int] | None:
    """Return the place of the outermost action that a place is in, or None."""
    for index, key in enumerate(place[:-1]):
        if index >= depth and key in ("enter", "do"):
            return place[: index + 2]
    return None


def _parent(spec: Any, place: list[str | int]) -> Any:
    """Return what holds a place, or None where the way there is mended away or a short form."""
    for part in place[:-1]:
        try:
            spec = spec[part]
        except (KeyError, IndexError, TypeError):
            return None
    return spec


def _remove(spec: Any, place: list[str | int]) -> None:
    parent = _parent(spec, place)
    if isinstance(parent, dict):
        parent.pop(place[-1], None)


def _replace(spec: Any, place: list[str | int], value: JSON) -> None:
    parent = _parent(spec, place)
    if isinstance(parent, dict | list):
        parent[place[-1]] = value  # type: ignore[index]  # a list's place is a number
