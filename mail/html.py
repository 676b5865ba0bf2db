"""Plain text from HTML, without the text that a reader of the mail would not see."""

import re

from inscriptis import get_text  # type: ignore[import-untyped]  # it ships no types
from selectolax.lexbor import LexborHTMLParser

# Where preheaders and prompt injections hide. A layout engine would know more; this is what
# mails use.
_HIDING_STYLE = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|mso-hide\s*:\s*all"
    r"|(?:opacity|font-size|max-height|max-width)\s*:\s*0*(?:\.0*)?(?![\d.])(?:[a-z%]|\s*(?:;|!|$))"
    r"|font-size\s*:\s*0*1(?:\.\d+)?p[xt]",
    re.IGNORECASE,
)
_MAY_HIDE = re.compile(
    r"hidden|mso-hide|display\s*:|opacity|font-size\s*:\s*[01.]|max-", re.IGNORECASE
)
_HIDING_NODES = "[hidden], [style]"
_UNREAD_NODES = "script, style, template, noscript, head, title"
# Both parsers are quadratic in the attributes of one tag; an inline image is one long one.
_LONG_TAG = re.compile(r"<(/?[a-zA-Z][\w:-]{0,40})[^<>]{8000,}>")
_TAG = re.compile(r"<[^<>]*>")


def text_of_html(html: str, max_tags: int) -> tuple[str, str | None]:
    """Return the visible text of an HTML document, and a warning or None.

    Time is linear for hostile documents too: parsers of HTML are quadratic in depth, so above
    `max_tags` the tags are cut out without parsing.
    """
    html = _LONG_TAG.sub(r"<\1>", html)
    if html.count("<") > max_tags:
        return _tidy(_TAG.sub(" ", html)), "the HTML has too many tags and was not laid out"
    shown = _without_hidden(html) if _MAY_HIDE.search(html) else html
    text = _laid_out(shown)
    if not text.strip():
        text = _bare(shown)
    return _tidy(text), None


def _without_hidden(html: str) -> str:
    tree = LexborHTMLParser(html)
    # Children before parents: no node is touched after its parent has gone.
    for node in reversed(tree.css(_HIDING_NODES)):
        attributes = node.attributes
        if "hidden" in attributes or _HIDING_STYLE.search(attributes.get("style") or ""):
            node.decompose()
    return tree.html or ""


def _laid_out(html: str) -> str:
    """Return the text by inscriptis; empty where libxml2 gives up (260 nested elements)."""
    try:
        return str(get_text(html))
    except (ValueError, IndexError, KeyError, AttributeError, RecursionError):
        return ""  # malformed tables and style values that inscriptis does not expect


def _bare(html: str) -> str:
    tree = LexborHTMLParser(html)
    for node in reversed(tree.css(_UNREAD_NODES)):
        node.decompose()
    return tree.body.text(separator="\n", strip=True) if tree.body else ""


def _tidy(text: str) -> str:
    """Return text without blanks at line ends and with at most one blank line in a row."""
    lines: list[str] = []
    for line in map(str.rstrip, text.replace("\xa0", " ").split("\n")):
        if line or (lines and lines[-1]):
            lines.append(line)
    return "\n".join(lines).strip("\n")
