"""Where the HTML of the known mail programs says that a quotation or a signature stands.

The places are marked in the document before it becomes text, and found again in the text: so
what the program knew is not guessed anew.
"""

import hashlib
from dataclasses import dataclass
from enum import StrEnum

from selectolax.lexbor import LexborHTMLParser, LexborNode


class Mark(StrEnum):
    """What begins or ends at a place in the text."""

    QUOTE = "q"
    SIGNATURE = "s"
    END = "e"
    REST = "r"  # all that follows is quoted


# Elements that hold a quotation: Gmail, Thunderbird, Apple Mail, Yahoo, Proton, Zoho, GMX, and
# the answers of QQ and 163.
_QUOTES = (
    "blockquote, .gmail_attr, .moz-cite-prefix, .moz-forward-container, .moz-email-headers-table,"
    " .yahoo_quoted, .protonmail_quote, .zmail_extra, .gmail_extra > .gmail_quote,"
    " #OLK_SRC_BODY_SECTION, .WordSection1 > blockquote, #isReplyContent, .ms-outlook-quote,"
    " [name=quote], #yahoo_quoted, #qqmail_quote, .tutanota_quote, .front-blockquote,"
    " #reply-intro, .AppleMailQuote"
)
# From here on all is quoted: Outlook for the web, for Windows, for phones; Zimbra.
_RESTS = (
    "#divRplyFwdMsg, #appendonsend, #mail-editor-reference-message-container,"
    " #ms-outlook-mobile-body-separator-line, hr[data-marker=__DIVIDER__], #zwchr,"
    " #stopSpelling"
)
_SIGNATURES = (
    ".gmail_signature, .gmail_signature_prefix, .moz-signature, #Signature, #signature,"
    " #ms-outlook-mobile-signature, .protonmail_signature_block, #AppleMailSignature,"
    " #ymail_android_signature, .ydpsignature, .tutanota_signature, .front-signature"
)
_MAX_MARKS = 500


@dataclass(frozen=True, slots=True)
class Marker:
    """Words that stand for marks in one text; no sender can know them before the mail is read."""

    key: str

    @classmethod
    def for_text(cls, text: str) -> "Marker":
        """Return the marker for a document: it depends on all of it."""
        return cls(hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:20])

    def word(self, mark: Mark) -> str:
        """Return the word that is put into the text for a mark."""
        return f"\ue000{self.key}{mark}\ue001"


def mark_quotes(tree: LexborHTMLParser, marker: Marker) -> bool:
    """Mark what a document quotes and signs; tell whether there is anything."""
    marked = False
    for selector, mark in ((_QUOTES, Mark.QUOTE), (_SIGNATURES, Mark.SIGNATURE)):
        for node in tree.css(selector)[:_MAX_MARKS]:
            if mark is Mark.QUOTE and _is_indented_only(node):
                continue
            _wrap(node, marker, mark)
            marked = True
    for node in tree.css("div.gmail_quote, div.gmail_quote_container")[:_MAX_MARKS]:
        # An answer between Gmail's quotations stands inside of this, beside the blockquote.
        if node.css_first("blockquote") is None:
            _wrap(node, marker, Mark.QUOTE)
            marked = True
    for node in tree.css(_RESTS)[:1]:
        node.insert_before(f" {marker.word(Mark.REST)} ")
        marked = True
    return marked


def _wrap(node: LexborNode, marker: Marker, mark: Mark) -> None:
    node.insert_before(f" {marker.word(mark)} ")
    node.insert_after(f" {marker.word(Mark.END)} ")


def _is_indented_only(node: LexborNode) -> bool:
    """Tell whether a blockquote is a paragraph that its writer has indented, as in Gmail."""
    if node.tag != "blockquote":
        return False
    attributes = node.attributes
    if attributes.get("type") == "cite" or attributes.get("cite") or attributes.get("class"):
        return False
    style = (attributes.get("style") or "").replace(" ", "")
    return "border:none" in style or "webkit-indent" in style
