"""Text from bytes whose charset label may be missing, wrong, unknown or hostile."""

import codecs
import re

# What senders write against what they mean. GBK mails are labelled gb2312; Windows mails are
# labelled iso-8859-1 or even us-ascii (WHATWG Encoding Standard, 4.2).
_MEANT = {
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "iso8859-1": "cp1252",
    "latin-1": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "tis-620": "cp874",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "big5": "big5hkscs",
    "ascii": "utf-8",
}
# Text in these is never UTF-8 by chance, but UTF-8 is often labelled as one of them.
_SINGLE_BYTE = frozenset(
    {
        *(f"cp125{number}" for number in range(9)),
        *(f"iso8859-{number}" for number in range(1, 17)),
        "cp850",
        "cp874",
        "koi8-r",
        "koi8-u",
        "mac_roman",
    }
)
_ALIASES = {
    "x-gbk": "gb18030",
    "gb2312-80": "gb18030",
    "ks_c_5601-1987": "cp949",
    "ks_c_5601": "cp949",
    "x-sjis": "cp932",
    "cp-850": "cp850",
    "unicode-1-1-utf-7": "utf-7",
    "utf8mb4": "utf-8",
    "x-mac-roman": "mac_roman",
    "macintosh": "mac_roman",
}
# Python codecs that no mail may choose: quadratic in length, or not a charset at all.
_REFUSED = frozenset({"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined"})

# Everything that is neither text nor a line end: C0, C1, lone surrogates, noncharacters,
# and the bidirectional overrides that make text read as what it is not.
_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff]"
)
_BLANK = re.compile("[\t\n\r\x0b\x0c\x85\u2028\u2029]+")
_LINE_END = re.compile("\r\n|\r|\x85|\u2028|\u2029")


def python_charset(label: str) -> str | None:
    """Return the codec to use for a charset label, or None where there is none."""
    label = label.strip().strip("\"'").lower()
    if not label or len(label) > 60:
        return None
    if label in _ALIASES:
        return _ALIASES[label]
    try:
        name = codecs.lookup(label).name
        b"x".decode(name, "ignore")  # refuses what is no text encoding, such as zlib or rot13
    except (LookupError, ValueError):  # ValueError: a NUL in the label
        return None
    return None if name.replace("-", "_") in _REFUSED else _MEANT.get(name, name)


def decode(data: bytes, label: str | None) -> tuple[str, str | None]:
    """Return the text and, where the label was not good for it, a warning.

    Never raises: what its label cannot decode is read as UTF-8, else as Windows-1252.
    """
    codec = python_charset(label) if label else "utf-8"
    warning = None
    if codec is None:
        warning = f"the charset {_quoted(label or '')} is unknown"
    else:
        try:
            text = data.decode(codec)
            if codec not in _SINGLE_BYTE or text.isascii() or not _is_utf8(data):
                return text, None
            warning = f"the text is not in its charset {_quoted(label or '')}"
        except UnicodeError:
            warning = f"the text is not in its charset {_quoted(label)}" if label else None
    try:
        return data.decode("utf-8"), warning
    except UnicodeError:
        pass
    if codec is not None and codec not in ("utf-8", "ascii"):
        return data.decode(codec, "replace"), warning
    return data.decode("cp1252", "replace"), warning or "the text names no charset that fits"


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeError:
        return False
    return True


def clean_text(text: str) -> str:
    """Return text with only line feeds and tabs left of its control characters."""
    return _CONTROL.sub("", _LINE_END.sub("\n", text))


def clean_line(text: str) -> str:
    """Return text in one line, without control characters and with single blanks."""
    return re.sub(" {2,}", " ", _CONTROL.sub("", _BLANK.sub(" ", text))).strip()


def _quoted(label: str) -> str:
    return f"'{clean_line(label)[:40]}'"
