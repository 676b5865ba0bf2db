"""Colours in inline styles, as far as is needed to see that text and background are the same."""

import re

from selectolax.lexbor import LexborNode

_MAX_ANCESTORS = 40
_HEX = re.compile(r"#?([0-9a-f]{6}|[0-9a-f]{3})(?:ff|f)?")
_RGB = re.compile(
    r"rgba?\(\s*(\d{1,3})\s*[, ]\s*(\d{1,3})\s*[, ]\s*(\d{1,3})\s*(?:[,/]\s*([\d.]+%?)\s*)?\)"
)
_NAMED = {
    "white": "#ffffff", "black": "#000000", "red": "#ff0000", "blue": "#0000ff",
    "green": "#008000", "yellow": "#ffff00", "gray": "#808080", "grey": "#808080",
    "silver": "#c0c0c0", "whitesmoke": "#f5f5f5", "snow": "#fffafa", "ivory": "#fffff0",
    "lightgray": "#d3d3d3", "lightgrey": "#d3d3d3", "gainsboro": "#dcdcdc", "navy": "#000080",
}  # fmt: skip
# Nearer than this in each of red, green and blue, nobody can read it.
_NEAR = 4


def declared(style: str, name: str) -> str:
    """Return the last value that a style gives to a property, or ""."""
    value = ""
    for entry in style.split(";")[:100]:
        key, _, text = entry.partition(":")
        if key.strip().lower() == name:
            value = text.replace("!important", "").strip().lower()[:200]
    return value


def colour_of(value: str) -> str | None:
    """Return a colour as #rrggbb, "transparent", or None for what is not known."""
    value = value.strip().lower()
    if value == "transparent":
        return "transparent"
    if value in _NAMED:
        return _NAMED[value]
    if match := _HEX.fullmatch(value):
        digits = match[1] if len(match[1]) == 6 else "".join(digit * 2 for digit in match[1])
        return _rounded(*(int(digits[at : at + 2], 16) for at in (0, 2, 4)))
    if match := _RGB.fullmatch(value):
        if match[4] is not None and float(re.sub(r"[^\d]", "", match[4]) or "0") == 0:
            return "transparent"
        return _rounded(*(min(int(match[at]), 255) for at in (1, 2, 3)))
    return None


def _rounded(*parts: int) -> str:
    """Return the colour with nearly white as white, since eyes see no difference."""
    near_white = all(part >= 256 - _NEAR for part in parts)
    return "#ffffff" if near_white else "#" + "".join(f"{part:02x}" for part in parts)


def background_of(node: LexborNode, page: str | None) -> str | None:
    """Return the colour behind an element's text, `page` where none is set, None if unknown."""
    current: LexborNode | None = node
    for _ in range(_MAX_ANCESTORS):
        if current is None:
            return page
        attributes = current.attributes
        style = attributes.get("style") or ""
        value = declared(style, "background-color") or declared(style, "background")
        if "background" in attributes or "url(" in value or "gradient" in value:
            return None
        if value := value or (attributes.get("bgcolor") or ""):
            colour = colour_of(value)
            if colour != "transparent":
                return colour
        if current.tag == "body":
            return page
        current = current.parent
    return None
