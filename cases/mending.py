"""A definition with wrong shapes, mended just so far that the rest of it can be checked too."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from cases.values import JSON

# What stands in for a declaration of the wrong shape, so that its name counts as declared.
_STAND_INS: Mapping[str, JSON] = {
    "labels": "",
    "teams": ["team@example.com"],
    "templates": {"text": ""},
    "data": {},
}
_OPTIONAL = ("name", "about", "starts", "classifier", "unknown_outcome")


def mended_spec(spec: Mapping[str, JSON], error: ValidationError) -> Any:
    """Return a copy of a spec without what pydantic found wrong, as far as that is easy.

    Any: it is on its way back into pydantic, which may well find more.
    """
    mended = json.loads(json.dumps(spec))
    for detail in error.errors(include_url=False):
        _mend(mended, detail["type"], list(detail["loc"]))
    return mended


def _mend(spec: Any, kind: str, place: list[str | int]) -> None:
    """Mend one place; what cannot be mended is left as it is."""
    root = place[0] if place else ""
    if kind == "extra_forbidden":
        _remove(spec, place)
    elif root in _STAND_INS and len(place) > 1 and place[-1] != "[key]":
        _replace(spec, place[:2], _STAND_INS[str(root)])
    elif root in _OPTIONAL:
        _remove(spec, place[:1])
    elif root == "id":
        spec["id"] = "mended"
    elif root == "states":
        _mend_state(spec, place)


def _mend_state(spec: Any, place: list[str | int]) -> None:
    """Mend a part of a state without moving its neighbours in their lists."""
    if "when" in place:
        _remove(spec, place[: place.index("when") + 1])
        return
    for key in ("enter", "do"):
        if key in place[2:] and len(place) > place.index(key, 2) + 1:
            _replace(spec, place[: place.index(key, 2) + 2], "classify")
            return
    if place[-1] == "event":
        _replace(spec, place, "mended")
    elif len(place) > 3 and place[2] == "deadlines":
        _replace(spec, place[:4], {"after": "1 hour"})
    elif place[-1] in ("about", "final", "to"):
        _remove(spec, place)


def _parent(spec: Any, place: list[str | int]) -> Any:
    for part in place[:-1]:
        spec = spec[part]
    return spec


def _remove(spec: Any, place: list[str | int]) -> None:
    parent = _parent(spec, place)
    if isinstance(parent, dict):
        parent.pop(place[-1], None)


def _replace(spec: Any, place: list[str | int], value: JSON) -> None:
    _parent(spec, place)[place[-1]] = value
