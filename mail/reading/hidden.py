"""Text in HTML that a reader of the mail would not see: where preheaders and injections hide.

A browser's layout engine would know more; this is what mails use. What only looks hidden is
kept: an element inside a hidden one that sets the property anew is visible again.
"""

import re
from dataclasses import dataclass

from selectolax.lexbor import LexborHTMLParser, LexborNode

from mail.reading.colours import background_of, colour_of, declared

_ZERO = r"\s*:\s*-?0*(?:\.0*)?(?![\d.])(?:[a-z%]+)?\s*(?:;|!|$|,|/)"
# Nothing inside of these is seen, whatever it says of itself.
_GONE = re.compile(
    r"(?:^|[;{\s])(?:display\s*:\s*none|mso-hide\s*:\s*all|content-visibility\s*:\s*hidden"
    rf"|opacity{_ZERO}"
    r"|text-indent\s*:\s*-\d{3,}|clip\s*:\s*rect\(\s*0(?:px)?[\s,]+0(?:px)?[\s,]+0"
    r"|transform\s*:\s*scale\(\s*0?\.?0*\s*\))",
    re.IGNORECASE,
)
_NO_ROOM = re.compile(rf"(?:^|[;\s])(?:max-)?(?:height|width){_ZERO}", re.IGNORECASE)
_CUT_OFF = re.compile(r"overflow(?:-[xy])?\s*:\s*(?:hidden|clip)", re.IGNORECASE)
_ELLIPSIS = re.compile(r"text-overflow", re.IGNORECASE)
_AWAY = re.compile(
    r"(?:^|[;\s])(?:left|top|right|margin-left|margin-top)\s*:\s*-\d{3,}", re.IGNORECASE
)
_POSITIONED = re.compile(r"position\s*:\s*(?:absolute|fixed)", re.IGNORECASE)
# Inherited, and so undone by an element inside that says otherwise.
_NO_SIZE = re.compile(
    rf"(?:^|[;\s])(?:font-size{_ZERO}|font-size\s*:\s*0*[01](?:\.\d+)?p[xt]|font\s*:\s*0)",
    re.IGNORECASE,
)
_INVISIBLE = re.compile(r"(?:^|[;\s])visibility\s*:\s*(?:hidden|collapse)", re.IGNORECASE)
_SIZE = re.compile(r"(?:^|[;\s])font(?:-size)?\s*:", re.IGNORECASE)
_VISIBILITY = re.compile(r"(?:^|[;\s])visibility\s*:", re.IGNORECASE)
_COLOUR = re.compile(r"(?:^|[;\s])color\s*:", re.IGNORECASE)

# Whether a document can hide anything: most hide nothing and are not looked through.
MAY_HIDE = re.compile(
    r"hidden|mso-hide|display\s*:|opacity|font(?:-size)?\s*:\s*[01.]|(?:height|width)\s*:\s*[0.]"
    r"|visibility|color\s*[:=]|text-indent|:\s*-\d{3}|clip\s*:|scale\(",
    re.IGNORECASE,
)
_MAX_COLOURED = 2_000
_MAX_RULES = 60
_MAX_SHEET_CHARS = 60_000
_COMMENT = re.compile(r"/\*[^*]*(?:\*(?!/)[^*]*)*\*/|<!--|-->")
_RULE = re.compile(r"([^{}@]{1,400})\{([^{}]{0,2000})\}")
_SIMPLE = re.compile(r"[a-zA-Z][a-zA-Z0-9]{0,15}?(?:[.#][\w-]{1,60}){1,2}|(?:[.#][\w-]{1,60}){1,2}")


@dataclass(frozen=True, slots=True)
class _Inherited:
    """A property that hides text and can be set anew inside."""

    hides: re.Pattern[str]
    sets: re.Pattern[str]


_INHERITED = (_Inherited(_NO_SIZE, _SIZE), _Inherited(_INVISIBLE, _VISIBILITY))


def drop_hidden(tree: LexborHTMLParser) -> None:
    """Take the text out of a document that its reader would not see; linear in its size."""
    sheet = _sheet(tree)
    gone = [node for node in tree.css("[hidden], [style]") if _is_gone(node)]
    texts: list[LexborNode] = []
    for node in tree.css("[style]"):
        style = node.attributes.get("style") or ""
        for prop in _INHERITED:
            if prop.hides.search(style):
                texts += _own_texts(node, prop.sets)
    for selector, rule in sheet:
        # An element's own style counts before the sheet's.
        for node in tree.css(selector):
            style = node.attributes.get("style") or ""
            if _is_gone_by(rule) and not re.search(r"display\s*:", style, re.IGNORECASE):
                gone.append(node)
            for prop in _INHERITED:
                if prop.hides.search(rule) and not prop.sets.search(style):
                    texts += _own_texts(node, prop.sets)
    for node in _like_their_background(tree):
        texts += _own_texts(node, _COLOUR)
    _remove(texts)
    ids = {node.mem_id for node in gone}
    # In the order of the document parents come first: no node is touched after its parent.
    _remove([node for node in reversed(tree.css("*")) if node.mem_id in ids])


def _remove(nodes: list[LexborNode]) -> None:
    seen: set[int] = set()
    for node in nodes:
        if node.mem_id not in seen:
            seen.add(node.mem_id)
            node.decompose()


def _is_gone(node: LexborNode) -> bool:
    attributes = node.attributes
    return "hidden" in attributes or _is_gone_by(attributes.get("style") or "")


def _is_gone_by(style: str) -> bool:
    if _GONE.search(style) or (_AWAY.search(style) and _POSITIONED.search(style)):
        return True
    # A table cell of no width with an ellipsis is as wide as its table: a known trick.
    return bool(_NO_ROOM.search(style) and _CUT_OFF.search(style) and not _ELLIPSIS.search(style))


def _own_texts(node: LexborNode, sets: re.Pattern[str]) -> list[LexborNode]:
    """Return the texts under a node, but not those of elements that set the property anew.

    So each text is visited once per property, however elements nest.
    """
    found: list[LexborNode] = []
    waiting = [node]
    while waiting:
        for child in waiting.pop().iter(include_text=True):
            if child.tag == "-text":
                found.append(child)
            elif not sets.search(_styled(child)):
                waiting.append(child)
    return found


def _styled(node: LexborNode) -> str:
    attributes = node.attributes
    style = attributes.get("style") or ""
    if node.tag == "font" and attributes.get("color"):
        return f"{style};color:{attributes['color']}"
    return style


def _like_their_background(tree: LexborHTMLParser) -> list[LexborNode]:
    """Return the elements whose text has the colour of what lies behind it.

    Without a background of its own the page is white, unless a style sheet may paint it.
    """
    painted = any("background" in node.text(deep=True)[:_MAX_SHEET_CHARS] for node in _sheets(tree))
    found = []
    for node in tree.css("[style*=color], font[color]")[:_MAX_COLOURED]:
        style = _styled(node)
        if not _COLOUR.search(style):
            continue
        colour = colour_of(declared(style, "color"))
        if colour == "transparent" or (
            colour is not None and colour == background_of(node, None if painted else "#ffffff")
        ):
            found.append(node)
    return found


def _sheets(tree: LexborHTMLParser) -> list[LexborNode]:
    return tree.css("style")[:10]


def _sheet(tree: LexborHTMLParser) -> list[tuple[str, str]]:
    """Return the simple selectors (class or id) that hide, with their rules.

    Rules within @media and the like are left out: they hold for some screens only.
    """
    found: list[tuple[str, str]] = []
    for node in _sheets(tree):
        text = _without_at_rules(_COMMENT.sub("", node.text(deep=True)[:_MAX_SHEET_CHARS]))
        for selectors, rule in _RULE.findall(text):
            if not (_is_gone_by(rule) or any(prop.hides.search(rule) for prop in _INHERITED)):
                continue
            for selector in selectors.split(","):
                if _SIMPLE.fullmatch(selector.strip()) and len(found) < _MAX_RULES:
                    found.append((selector.strip(), rule))
    return found


def _without_at_rules(text: str) -> str:
    """Return a style sheet without its blocks of @media, @supports and their like."""
    kept: list[str] = []
    at = 0
    while (start := text.find("@", at)) >= 0:
        kept.append(text[at:start])
        opening, end = text.find("{", start), text.find(";", start)
        if opening < 0 or 0 <= end < opening:
            at = end + 1 if end >= 0 else len(text)  # @import, @charset
            continue
        depth, at = 1, opening + 1
        while depth and at < len(text):
            depth += {"{": 1, "}": -1}.get(text[at], 0)
            at += 1
    return "".join(kept) + text[at:]
