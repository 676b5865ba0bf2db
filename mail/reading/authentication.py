"""Who says that a mail's sender is who it names: trusted results, and DKIM verified here.

Pure: the records that verification needs are looked up by the caller (`dkim_names`) and passed
in. Times are bounded by the caller too, which runs the verification in another process.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

import authres  # type: ignore[import-untyped]  # the library has no types
import dkim  # type: ignore[import-untyped]  # the library has no types
from dkim.util import (  # type: ignore[import-untyped]  # the library has no types
    InvalidTagValueList,
    parse_tag_value,
)
from publicsuffixlist import PublicSuffixList

from mail.message import Authentication, Verdict
from mail.reading import headers

BY_EVERPOST = "everpost"

# What was found for a name: its TXT records, none of them, or None for no answer.
Records = Mapping[str, Sequence[str] | None]

_MAX_SIGNATURES = 5
_HEADER_MAX_BYTES = 256_000
_FIELD_MAX_BYTES = 8_000
_SIGNATURE_MAX_BYTES = 4_000
_MAX_SIGNED_FIELDS = 200
_MAX_RESULTS = 30
# RFC 8301, 3.2: shorter keys are never valid. Longer than 4096 bits cost without need.
_MIN_KEY_BITS = 1024
_MAX_KEY_CHARS = 1_000
# The library's way of removing blanks at line ends is quadratic in their number.
_LONG_BLANK = b" " * 250
_ALGORITHMS = frozenset({b"rsa-sha256", b"ed25519-sha256"})  # no SHA-1: RFC 8301, 3.1
# Servers' clocks differ.
_EXPIRY_LEEWAY = timedelta(minutes=10)
_NAME = re.compile(r"(?=.{4,253}\Z)(?:[a-z0-9_](?:[a-z0-9_-]{0,62})\.)+[a-z0-9-]{2,63}")
# RFC 8601, 2.7. Microsoft says "bestguesspass" where a domain has no DMARC record.
_VERDICTS = {
    "pass": Verdict.PASS,
    "fail": Verdict.FAIL,
    "hardfail": Verdict.FAIL,
    "softfail": Verdict.FAIL,
    "policy": Verdict.FAIL,
    "temperror": Verdict.ERROR,
    "permerror": Verdict.ERROR,
}
# Gmail, Microsoft and others add words that RFC 8601 has no place for, such as action=none.
_STRAY = re.compile(
    r'("[^"]{0,1000}")|(?<![\w.=/+"@-])(?!reason\b)[A-Za-z_-]{1,30}[ \t]*=[ \t]*[^\s;"]{0,200}'
)


@dataclass(frozen=True, slots=True)
class _Signature:
    """One DKIM-Signature field: its tags, and where its key is; `index` counts from the top."""

    index: int
    tags: Mapping[bytes, bytes]
    domain: str
    name: str


def trusted_results(raw: bytes, authserv_id: str) -> Authentication | None:
    """Return what a server that we trust found out about a mail, or None where it says nothing.

    Only the topmost Authentication-Results with that authserv-id counts (RFC 8601, 5): a
    receiving server adds its own above what came with the mail.
    """
    fields = header_fields(raw)
    for name, value in fields:
        if name != "authentication-results":
            continue
        said, *results = _entries(value)
        server = said.split()[0].strip('"').lower() if said.split() else ""
        if server == authserv_id.lower():
            return _authentication(server, results, from_domain(fields))
    return None


def _authentication(by: str, results: Sequence[str], author: str | None) -> Authentication:
    verdicts: dict[str, Verdict] = {}
    passed: list[str] = []
    for result in _results(results):
        verdict = _VERDICTS.get(str(result.result).lower(), Verdict.NONE)
        method = str(result.method).lower()
        if method == "dkim" and verdict is Verdict.PASS and (domain := _signer(result)):
            passed.append(domain)
        # A mail may have several signatures: one that passes is enough.
        if method not in verdicts or verdict is Verdict.PASS:
            verdicts[method] = verdict
    return Authentication(
        by=by,
        spf=verdicts.get("spf", Verdict.NONE),
        dkim=verdicts.get("dkim", Verdict.NONE),
        dmarc=verdicts.get("dmarc", Verdict.NONE),
        dkim_domain=_closest(passed, author),
    )


def _results(results: Sequence[str]) -> Iterator[authres.core.AuthenticationResult]:
    """Yield each result that can be read: one that breaks the grammar spoils no other."""
    context = authres.all_features()
    for entry in results[:_MAX_RESULTS]:
        cleaned = _method_and_properties(entry)
        if not cleaned:
            continue
        try:
            # The id was compared before; any stands in for it, since not all fit the grammar.
            parsed = authres.core.AuthenticationResultsHeader.parse_value(context, f"x; {cleaned}")
        except authres.AuthResError:
            continue
        yield from parsed.results


def _method_and_properties(entry: str) -> str:
    method, equals, rest = entry.strip().partition("=")
    if not equals:
        return ""
    return f"{method.strip()}={_STRAY.sub(lambda found: found[1] or '', rest)}"


def _signer(result: authres.core.AuthenticationResult) -> str | None:
    """Return the domain that a DKIM result names in header.d, else in header.i."""
    values = {str(entry.name).lower(): str(entry.value) for entry in result.properties}
    value = values.get("d") or values.get("i", "").rpartition("@")[2]
    return _domain(value)


def _entries(value: str) -> list[str]:
    """Return what semicolons part, without comments, which nest and hold semicolons too.

    Not inside quotes: servers quote there what a stranger chose, such as a local part.
    """
    entries: list[list[str]] = [[]]
    depth = 0
    quoted = escaped = False
    for char in value:
        special = not escaped
        escaped = special and char == "\\"
        if special and char == '"' and depth == 0:
            quoted = not quoted
        elif special and char == "(" and not quoted:
            depth += 1
        elif special and char == ")" and depth and not quoted:
            depth -= 1
            continue
        elif special and char == ";" and depth == 0 and not quoted:
            entries.append([])
            continue
        if depth == 0:
            entries[-1].append(char)
    return ["".join(entry).strip() for entry in entries]


def header_fields(raw: bytes) -> list[tuple[str, str]]:
    """Return the unfolded header fields of a mail, the topmost first, names in lower case."""
    head = re.split(rb"\r?\n\r?\n", raw[:_HEADER_MAX_BYTES], maxsplit=1)[0]
    fields: list[tuple[str, str]] = []
    for line in re.split(rb"\r?\n(?![ \t])", head):
        name, colon, value = line.partition(b":")
        if colon and len(name) <= 100:
            text = value[:_FIELD_MAX_BYTES].decode("utf-8", "replace")
            fields.append((name.strip().decode("ascii", "replace").lower(), _unfolded(text)))
    return fields


def _unfolded(value: str) -> str:
    return re.sub(r"[\r\n]+", "", value).strip()


def from_domain(fields: Iterable[tuple[str, str]]) -> str | None:
    """Return the domain of a mail's author; None where From is missing or not the only one.

    Two authors, or two From fields, leave open whom a signature stands for (RFC 7489, 6.6.1).
    """
    values = [value for name, value in fields if name == "from"]
    found = headers.addresses(values, 3, 20) if len(values) == 1 else ()
    return found[0].address.rpartition("@")[2] if len(found) == 1 else None


def aligned(domain: str, author: str) -> bool:
    """Tell whether two domains belong to one organization (RFC 7489, 3.1: relaxed)."""
    organization = _organizational(author)
    return organization is not None and _organizational(domain) == organization


def _organizational(domain: str) -> str | None:
    # None for a public suffix itself: whoever signs for co.uk speaks for nobody below it.
    return _suffixes().privatesuffix(domain.lower().rstrip("."))


@cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()


def _closest(domains: Sequence[str], author: str | None) -> str | None:
    """Return the domain that speaks for the author, else the first."""
    if author is not None:
        for domain in domains:
            if aligned(domain, author):
                return domain
    return domains[0] if domains else None


def _domain(value: str) -> str | None:
    name = value.strip().strip('"').lower().rstrip(".")
    return name if _NAME.fullmatch(name) else None


def dkim_names(raw: bytes) -> tuple[str, ...]:
    """Return the names whose TXT records verifying a mail needs; none where it is unsigned."""
    return tuple(dict.fromkeys(signature.name for signature in _signatures(raw)))


def is_signed(raw: bytes) -> bool:
    """Tell whether a mail carries any DKIM signature, readable or not."""
    return any(name == "dkim-signature" for name, _ in header_fields(raw))


def dkim_verdict(raw: bytes, txt_records: Records, at: datetime) -> Authentication:
    """Return what the DKIM signatures of a mail are worth at a time (RFC 6376).

    `dmarc` passes where a signature that passes is aligned with the author's domain; whether
    that domain publishes a policy is not asked, and without such a signature it says none.
    """
    author = from_domain(header_fields(raw))
    verdicts: list[Verdict] = []
    passed: list[str] = []
    for signature in _signatures(raw):
        verdict = _verified(raw, signature, txt_records, at)
        verdicts.append(verdict)
        if verdict is Verdict.PASS:
            passed.append(signature.domain)
    domain = _closest(passed, author)
    is_authors = domain is not None and author is not None and aligned(domain, author)
    return Authentication(
        by=BY_EVERPOST,
        dkim=_together(verdicts),
        dmarc=Verdict.PASS if is_authors else Verdict.NONE,
        dkim_domain=domain,
    )


def _together(verdicts: Sequence[Verdict]) -> Verdict:
    # Signed, but no signature could be read: that is a failure, not an unsigned mail.
    for verdict in (Verdict.PASS, Verdict.ERROR):
        if verdict in verdicts:
            return verdict
    return Verdict.FAIL


def _signatures(raw: bytes) -> list[_Signature]:
    """Return the first signatures of a mail that can be read, at most five."""
    values = [value for name, value in header_fields(raw) if name == "dkim-signature"]
    found = []
    for index, value in enumerate(values[:_MAX_SIGNATURES]):
        if len(value) > _SIGNATURE_MAX_BYTES:
            continue
        try:
            tags = parse_tag_value(value.encode("utf-8", "replace"))
        except InvalidTagValueList:
            continue
        domain = _domain(tags.get(b"d", b"").decode("utf-8", "replace"))
        selector = tags.get(b"s", b"").decode("utf-8", "replace").strip().lower()
        name = _domain(f"{selector}._domainkey.{domain}")
        if domain and selector and name:
            found.append(_Signature(index, tags, domain, name))
    return found


def _verified(raw: bytes, signature: _Signature, txt_records: Records, at: datetime) -> Verdict:
    if not _acceptable(signature.tags, at):
        return Verdict.FAIL
    records = txt_records.get(signature.name)
    if records is None:
        return Verdict.ERROR
    keys = [record for record in records if _usable_key(record)]
    # RFC 6376, 3.6.2.2: several records of one name are undefined; the first key counts.
    return _checked(raw, signature.index, keys[0]) if keys else Verdict.FAIL


def _acceptable(tags: Mapping[bytes, bytes], at: datetime) -> bool:
    """Tell whether a signature is one to trust, before its cryptography is looked at."""
    signed = [name.strip().lower() for name in tags.get(b"h", b"").split(b":")]
    # A limited body length lets anybody add text to a signed mail (RFC 6376, 8.2).
    if b"l" in tags or tags.get(b"a", b"").strip().lower() not in _ALGORITHMS:
        return False
    if b"from" not in signed or len(signed) > _MAX_SIGNED_FIELDS:
        return False
    expiry = tags.get(b"x", b"").strip()
    if not expiry:
        return True
    seconds = int(expiry) if expiry.isdigit() and len(expiry) <= 15 else 0
    return seconds >= (at - _EXPIRY_LEEWAY).timestamp()


def _usable_key(record: str) -> bool:
    """Tell whether a TXT record holds a key of a size worth the arithmetic (RFC 6376, 3.6.1)."""
    try:
        tags = parse_tag_value(record.encode("ascii"))
        key = re.sub(rb"\s", b"", tags[b"p"])
        base64.b64decode(key, validate=True)
    except (InvalidTagValueList, UnicodeError, KeyError, binascii.Error):
        return False
    return 0 < len(key) <= _MAX_KEY_CHARS


def _checked(raw: bytes, index: int, record: str) -> Verdict:
    if _LONG_BLANK in raw.replace(b"\t", b" "):
        return Verdict.ERROR
    try:
        verifier = dkim.DKIM(raw, minkey=_MIN_KEY_BITS)
        passes = verifier.verify(index, dnsfunc=lambda name, timeout=5: record.encode("ascii"))
    except dkim.ValidationError:
        return Verdict.FAIL  # the body's hash differs, or a tag is invalid
    except Exception:  # the library raises whatever malformed input makes Python raise
        return Verdict.ERROR
    return Verdict.PASS if passes else Verdict.FAIL


def authentication_facts(authentication: Authentication | None) -> dict[str, str | None] | None:
    """Return what guards see of a mail's authentication; None where nobody looked."""
    if authentication is None:
        return None
    return {
        "spf": authentication.spf.value,
        "dkim": authentication.dkim.value,
        "dmarc": authentication.dmarc.value,
        "dkim_domain": authentication.dkim_domain,
    }
