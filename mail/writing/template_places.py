"""Where in an HTML template data may stand: escaping is enough in text and quoted attributes only.

An output elsewhere could add an attribute, a style, a script or a link of a customer's choosing
to a mail of ours.
"""

import re
from collections.abc import Iterator

from jinja2 import Environment, TemplateSyntaxError

_LINKING = frozenset({"href", "src", "action", "formaction", "background", "poster", "srcset"})
# The host has ended, so what follows can't change it (RFC 3986, 3.2).
_HOST_FIXED = re.compile(r"\s*(?:https?://[^/?#\\\s]+[/?#]|mailto:|tel:|#)", re.IGNORECASE)
_UNESCAPED_ELEMENTS = frozenset({"script", "style"})
# What stands for an output, and for a statement, of a template: nothing that HTML knows.
_DATA = "\ufdd2"
_STATEMENT = "\ufdd3"
_BEGINNING = re.compile(
    r"(?P<comment><!--.*?(?:-->|\Z))|<(?P<close>/?)(?P<tag>[a-zA-Z\ufdd2][^\s/>]*)", re.DOTALL
)
_ATTRIBUTE = re.compile(
    r"[\s/\ufdd3]*(?:(?P<end>>|\Z)|(?P<name>[^\s/>=\ufdd3]+|=)(?:\s*=\s*(?:\"(?P<double>[^\"]*)\"?"
    r"|'(?P<single>[^']*)'?|(?P<bare>[^\s>\"']+)))?)"
)

Unsafe = tuple[int, str]


def unsafe_outputs(environment: Environment, source: str) -> Iterator[Unsafe]:
    """Yield the line of each output that stands where data may not, and what to do instead."""
    flat = _flattened(environment, source)
    place = 0
    while found := _BEGINNING.search(flat, place):
        line = _line(flat, found.start())
        place = found.end()
        if found["comment"] is not None:
            if _DATA in found["comment"]:
                yield line, "data may not stand in a comment: take it away"
            continue
        if _DATA in found["tag"]:
            yield line, "data may not be part of a tag's name"
        unsafe, place = _attributes(flat, place)
        yield from unsafe
        element = found["tag"].lower()
        if element in _UNESCAPED_ELEMENTS and not found["close"]:
            end = flat.lower().find(f"</{element}", place)
            content = flat[place : end if end >= 0 else len(flat)]
            if _DATA in content:
                yield line, f"data may not stand in <{element}>, where it is not escaped"
            place += len(content)


def _attributes(flat: str, place: int) -> tuple[list[Unsafe], int]:
    """Return what is wrong with the attributes of a tag, and where the tag ends."""
    unsafe: list[Unsafe] = []
    while (found := _ATTRIBUTE.match(flat, place)) is not None:
        place = found.end()
        if found["end"] is not None:
            break
        if reason := _why_unsafe(found):
            unsafe.append((_line(flat, found.start("name")), reason))
    return unsafe, place


def _why_unsafe(attribute: re.Match[str]) -> str | None:
    name, bare = attribute["name"].lower(), attribute["bare"] or ""
    value = attribute["double"] or attribute["single"] or ""
    if _DATA in name:
        return "data may stand in a tag only as the value of an attribute, in quotes"
    if _DATA in bare:
        return f"write the value of {name} in quotes"
    if _DATA not in value:
        return None
    if name.startswith("on") or name in {"style", "srcdoc"}:
        return f"data may not stand in {name}, where escaping does not make it harmless"
    fixed = _HOST_FIXED.match(value.partition(_DATA)[0])
    if name in _LINKING and (fixed is None or _STATEMENT in value):
        return (
            f"{name} has to begin with an address of yours, such as https://example.com/, and"
            " without a condition in it: a link may not lead where a customer's words say"
        )
    return None


def _flattened(environment: Environment, source: str) -> str:
    """Return a template with one character in place of each output and each statement."""
    pieces: list[str] = []
    try:
        for _, kind, text in environment.lex(source):
            if kind in ("data", "raw_begin", "raw_end"):
                pieces.append(text if kind == "data" else _STATEMENT)
            elif kind == "variable_begin":
                pieces.append(_DATA)
            elif kind == "block_begin":
                pieces.append(_STATEMENT)
            # Lines are counted to the end: what is left out leaves its line ends.
            if kind != "data":
                pieces.append("\n" * text.count("\n"))
    except TemplateSyntaxError:
        return ""  # told by whoever parses it
    return "".join(pieces)


def _line(flat: str, place: int) -> int:
    return flat.count("\n", 0, place) + 1
