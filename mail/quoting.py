"""What a reply says anew: its text without the mail that it quotes."""

import re

_MAX_LINES = 5_000
_MAX_LINE_CHARS = 400

# "On <date>, <name> wrote:" in the languages of our mailboxes; only where it ends its line.
_ATTRIBUTION_END = re.compile(
    r"(?:wrote|writes|schrieb|escribió|escribio|a écrit|ha scritto|escreveu|schreef|skrev|napisał"
    r"|napisał\(a\)|kirjoitti|написал(?:\(\u0430\))?|пишет|写道|書きました|のメール)\s?[:\uff1a]?$",
    re.IGNORECASE,
)
# "Am <date> schrieb <name>:": the verb before the name.
_ATTRIBUTION_VERB = re.compile(
    r"\b(?:schrieb|schreef|skrev|écrit|escribió|scritto|escreveu)\b[^:]{1,120}:$", re.IGNORECASE
)
_ATTRIBUTION_START = re.compile(
    r"^(?:On|Am|El|Le|Il|Em|Op|Den|W dniu|Dnia|\d{1,4}[./-]|Mon|Tue|Wed|Thu|Fri|Sat|Sun|Mo|Di|Mi"
    r"|Do|Fr|Sa|So|在|于)\b",
    re.IGNORECASE,
)
_SEPARATOR = re.compile(
    r"^\s*-{2,}\s*(?:Original Message|Original Appointment|Forwarded message|Ursprüngliche "
    r"Nachricht|Weitergeleitete Nachricht|Message d'origine|Mensaje original|Messaggio originale"
    r"|Mensagem original|Oorspronkelijk bericht|Reply message|原始邮件)\s*-{2,}\s*$",
    re.IGNORECASE,
)
_OUTLOOK_RULE = re.compile(r"^\s*_{20,}\s*$")
_FROM = re.compile(
    r"^\s*\*?(?:From|Von|De|Da|Van|Från|Fra|Od|От|发件人)\*?\s?[:\uff1a]", re.IGNORECASE
)
_SUBJECT = re.compile(
    r"^\s*\*?(?:Subject|Betreff|Objet|Asunto|Assunto|Oggetto|Onderwerp|Ämne|Emne|Temat|Тема|主题)"
    r"\*?\s?[:\uff1a]",
    re.IGNORECASE,
)
_SENT = re.compile(
    r"^\s*\*?(?:Sent|Date|Gesendet|Datum|Envoyé|Enviado|Enviada|Inviato|Data|Verzonden|Skickat"
    r"|Sendt|Wysłano|Отправлено|发送时间)\*?\s?[:\uff1a]",
    re.IGNORECASE,
)


def new_part(text: str) -> str:
    """Return the text of a reply without quoted lines; answers between them are kept.

    Where nothing is left (a bare forward, a quote alone) the whole text is returned: it is
    better to read too much than nothing.
    """
    lines = text.split("\n")
    if len(lines) > _MAX_LINES:
        return text
    kept: list[str] = []
    index = 0
    while index < len(lines):
        line = lines[index][:_MAX_LINE_CHARS]
        if line.startswith(">"):
            index += 1
            continue
        if _starts_original(lines, index):
            break
        length = _attribution_length(lines, index)
        if length and _is_quoted_after(lines, index + length):
            index += length
            continue
        if length and _names_a_mail(lines[index : index + length]):
            break  # converted from HTML: all that follows is the original, unmarked
        kept.append(lines[index])
        index += 1
    found = "\n".join(kept).strip()
    return found or text.strip()


def _starts_original(lines: list[str], index: int) -> bool:
    """Tell whether a separator or a block of header lines begins the original here."""
    line = lines[index][:_MAX_LINE_CHARS]
    if _SEPARATOR.match(line):
        return True
    if _OUTLOOK_RULE.match(line):
        return any(_FROM.match(entry[:_MAX_LINE_CHARS]) for entry in lines[index + 1 : index + 3])
    # All three, or a booking form with From, To and Date would be taken for a mail.
    following = [entry[:_MAX_LINE_CHARS] for entry in lines[index + 1 : index + 7]]
    return bool(_FROM.match(line)) and all(
        any(field.match(entry) for entry in following) for field in (_SENT, _SUBJECT)
    )


def _attribution_length(lines: list[str], index: int) -> int:
    """Return how many lines the attribution at `index` takes, wrapped ones too, or 0."""
    if not _ATTRIBUTION_START.match(lines[index].lstrip()[:_MAX_LINE_CHARS]):
        return 0
    for length in (1, 2, 3):
        line = lines[index + length - 1 : index + length]
        if not line or not line[0].strip():
            return 0
        end = line[0].rstrip()[-_MAX_LINE_CHARS:]
        if _ATTRIBUTION_END.search(end) or _ATTRIBUTION_VERB.search(end):
            return length
    return 0


def _names_a_mail(attribution: list[str]) -> bool:
    """Tell whether an attribution has a date or an address: "On Monday you wrote:" has none."""
    return any(char.isdigit() or char == "@" for line in attribution for char in line)


def _is_quoted_after(lines: list[str], index: int) -> bool:
    """Tell whether the next line that is not blank is quoted."""
    for line in lines[index : index + 4]:
        if line.strip():
            return line.startswith(">")
    return False
