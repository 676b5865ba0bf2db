"""What bytes are, whatever their sender calls them."""

import io
import re
import zipfile

import puremagic

_HEAD_BYTES = 4_096
_ZIP_MAX_ENTRIES = 2_000
_MIN_MAGIC_BYTES = 3
UNKNOWN = "application/octet-stream"

# A look into a zip: the first entry's name that matches tells its kind.
_ZIP_KINDS = (
    ("word/", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("xl/", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("ppt/", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
    ("visio/", "application/vnd.ms-visio.drawing"),
    ("AndroidManifest.xml", "application/vnd.android.package-archive"),
    ("META-INF/MANIFEST.MF", "application/java-archive"),
)
_MACROS = {
    _ZIP_KINDS[0][1]: "application/vnd.ms-word.document.macroenabled.12",
    _ZIP_KINDS[1][1]: "application/vnd.ms-excel.sheet.macroenabled.12",
    _ZIP_KINDS[2][1]: "application/vnd.ms-powerpoint.presentation.macroenabled.12",
}
_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]{1,100}/[a-z0-9!#$&^_.+-]{1,100}")
# What programs write first in these; the library knows them badly or not at all.
_HEADS = (
    (b"%PDF-", "application/pdf"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"MZ", "application/vnd.microsoft.portable-executable"),
    (b"\x7fELF", "application/x-executable"),
    (b"BM", "image/bmp"),
    (b"\x1f\x8b", "application/gzip"),
    (b"BZh", "application/x-bzip2"),
    (b"Rar!\x1a\x07", "application/vnd.rar"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"{\\rtf", "application/rtf"),
    (b"\x78\x9f\x3e\x22", "application/ms-tnef"),
)
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
# Names of streams in an OLE file, which are in UTF-16.
_OLE_KINDS = (
    ("__properties_version1.0", "application/vnd.ms-outlook"),
    ("WordDocument", "application/msword"),
    ("Workbook", "application/vnd.ms-excel"),
    ("PowerPoint Document", "application/vnd.ms-powerpoint"),
)
_OLE_SCAN_BYTES = 2_000_000
# Types whose bytes begin with a signature: without it, they are not what they are called.
_SIGNED = re.compile(
    r"image/(?:png|jpe?g|gif|webp|tiff|bmp|heic)|application/(?:pdf|zip|msword|gzip|rtf"
    r"|vnd\.(?:ms-(?:excel|powerpoint|outlook)|openxmlformats-officedocument|oasis)[\w.-]*)"
)
_I = re.IGNORECASE
_MARKUP = (
    (re.compile(rb"(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)?<svg[\s>]", _I | re.S), "image/svg+xml"),
    (re.compile(rb"<!doctype html|<(?:html|head|script|body)[\s>]", _I), "text/html"),
    (re.compile(rb"<\?xml\s", re.I), "application/xml"),
    (re.compile(rb"BEGIN:VCALENDAR", re.I), "text/calendar"),
    (re.compile(rb"BEGIN:VCARD", re.I), "text/vcard"),
)  # fmt: skip
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_PROGRAMS = frozenset({_HEADS[5][1], _HEADS[6][1]})


def true_type(data: bytes, declared: str, name: str = "") -> str:
    """Return the type of an attachment by its content, else the declared one where it may be.

    Bounded: it reads the first and last bytes and the directory of a zip; nothing is unpacked
    but the 100 bytes in which OpenDocument names its kind.
    """
    if not data:
        return declared
    if declared.startswith(("message/", "multipart/")) or declared in _OPAQUE:
        return declared
    if data.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _zip_type(data)
    if data.startswith(_OLE):
        return _ole_type(data)
    return _by_head(data) or _by_text(data, declared) or _by_magic(data, declared, name)


# Signed and encrypted parts are what they are called: their bytes are ASN.1 or armour.
_OPAQUE = frozenset(
    {
        "application/pkcs7-mime",
        "application/pkcs7-signature",
        "application/x-pkcs7-mime",
        "application/x-pkcs7-signature",
        "application/pgp-signature",
        "application/pgp-encrypted",
        "application/pgp-keys",
    }
)


def _by_head(data: bytes) -> str | None:
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    if data[:4] in (b"II*\x00", b"MM\x00*"):
        return "image/tiff"
    found = next((kind for head, kind in _HEADS if data.startswith(head)), None)
    # Two letters are a weak sign: words begin with them too.
    if found in ("image/bmp", *_PROGRAMS) and not _CONTROL.search(data[:_HEAD_BYTES]):
        return None
    return found


def _by_text(data: bytes, declared: str) -> str | None:
    """Return a type of text, or None for what is no text."""
    head = data[:_HEAD_BYTES].lstrip(b"\xef\xbb\xbf \t\r\n")
    if _CONTROL.search(head):
        return None
    for pattern, kind in _MARKUP:
        if pattern.match(head):
            return declared if declared.startswith("text/") and kind.startswith("app") else kind
    if _SIGNED.fullmatch(declared) or declared == UNKNOWN:
        return "text/plain" if _is_utf8(data[:_HEAD_BYTES]) else UNKNOWN
    return declared


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start > len(data) - 4  # a character that the cut has split
    return True


def _by_magic(data: bytes, declared: str, name: str) -> str:
    """Return the library's most likely type; where it wavers, the declared one or the name's."""
    try:
        found = puremagic.magic_string(data)
    except (puremagic.PureError, ValueError, LookupError):
        found = []
    likely = [match for match in found if len(match.byte_match) >= _MIN_MAGIC_BYTES]
    kinds = [kind for match in likely if _TYPE.fullmatch(kind := match.mime_type.lower())]
    if declared in kinds:
        return declared
    extension = f".{name.rpartition('.')[2].lower()}"
    named = (match.mime_type.lower() for match in likely if match.extension == extension)
    if kind := next((entry for entry in named if _TYPE.fullmatch(entry)), None):
        return str(kind)
    if _SIGNED.fullmatch(declared) or declared.startswith("text/"):
        return kinds[0] if kinds else UNKNOWN
    return declared if declared != UNKNOWN or not kinds else kinds[0]


def _zip_type(data: bytes) -> str:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return _kind_in_zip(archive)
    except (zipfile.BadZipFile, ValueError, LookupError, OSError, NotImplementedError, EOFError):
        return "application/zip"
    except RuntimeError:  # encrypted
        return "application/zip"


def _kind_in_zip(archive: zipfile.ZipFile) -> str:
    entries = archive.infolist()[:_ZIP_MAX_ENTRIES]
    names = [entry.filename for entry in entries]
    if "mimetype" in names:
        # OpenDocument 1.3, part 2, 3.3, and EPUB: the type, stored first and uncompressed.
        with archive.open("mimetype") as file:
            kind = file.read(101).decode("ascii", "replace").strip().lower()
        if kind.startswith("application/") and len(kind) <= 100 and _TYPE.fullmatch(kind):
            return kind
    if "[Content_Types].xml" not in names and "META-INF/MANIFEST.MF" not in names:
        return "application/zip"
    for start, kind in _ZIP_KINDS:
        if any(name.startswith(start) for name in names):
            has_macros = any(name.endswith("vbaProject.bin") for name in names)
            return _MACROS.get(kind, kind) if has_macros else kind
    return "application/zip"


def _ole_type(data: bytes) -> str:
    part = data[:_OLE_SCAN_BYTES]
    for stream, kind in _OLE_KINDS:
        if stream.encode("utf-16-le") in part:
            return kind
    return "application/x-ole-storage"
