"""The words by which mail programs begin a quotation or a signature, in many languages."""

# ruff: noqa: E501, RUF001 -- tables of words in many languages and scripts

import re

# "On <date>, <name> wrote:"; the verb may stand before or after the name.
VERB = re.compile(
    r"(?<!\w)(?:wrote|writes|schrieb|schreibt|geschrieben|escribi[óo]|écrit|ha scritto|scrisse"
    r"|escreveu|schreef|skrev|skrifa[ðd]i|napisa[łl](?:a|\(a\))?|nap[íi]sal(?:a|\(a\))?|napsal(?:a"
    r"|\(a\))?|pisze|kirjoitti|напис\u0430\u043b(?:\u0430|\(\u0430\))?|пишет|пише|írta|yazdı"
    r"|a scris|έγραψε|đã viết|menulis)(?!\w)|写道|寫道|書きました|のメール|작성|님이",
    re.IGNORECASE,
)
# How such a line begins: a preposition, a weekday, a date, or the name with the address.
ATTRIBUTION_START = re.compile(
    r"(?:On|Am|El|Le|Il|Em|No dia|Op|Den|Dne|Dňa|W dniu|Dnia|Em|În|La|Em data|Al|A[z]?)\b[ ,]"
    r"|(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun|Mo|Di|Mi|Do|Fr|Sa|So|lun|mar|mer|mié|jeu|jue|gio|ven|vie|sam"
    r"|sáb|sab|dim|dom|seg|ter|qua|qui|sex|ma|di|wo|do|vr|za|zo|pon|pn|wt|śr|czw|pt|sob|sb|nd|niedz"
    r"|po|út|st|čt|pá|so|ne|man|tir|tis|ons|tor|tors|fre|lør|lör|søn|sön|to|ke|pe|la|su|пн|вт|ср"
    r"|чт|пт|сб|вс|hétf|kedd|sze|csüt|pén|szo|vas|Pzt|Sal|Çar|Per|Cum|Cmt|Paz)"
    r"(?:day|tag|di|sday|nesday|rsday|urday|dag|vrijdag)?[.,]{0,2}\s[^:]{0,30}\d"
    r"|\d{1,4}[./-]\s?\d{1,2}[./-]\s?\d{1,4}|\d{1,2}\.?\s\w{3,12}\.?\s\d{4}|\d{4}\s?[年년]|在|于"
    r"|[^<>\n]{0,80}[<\[(][^\s<>@]{1,80}@[^\s<>@]{1,100}[>\])]",
    re.IGNORECASE,
)
COLON_END = re.compile(r"[:\uff1a]\s*$")
TIME = re.compile(r"\b\d{1,2}[:.h]\d{2}\b|\d{1,2}시")
ADDRESS = re.compile(r"[\w.+-]{1,64}@[\w.-]{1,120}")
# People, unlike programs, write of each other: "On 3 May you wrote:" is their own sentence.
ADDRESSED = re.compile(
    r"\b(?:you|I|we|Sie|du|ihr|ich|wir|vous|tu|je|nous|usted|ustedes|lei|voi|você|jij|u|ik|vi|ni"
    r"|hai|avete|pan|pani)\s+(?:\w+\s+)?(?:wrote|writes|schrieb|schrieben|schriebst|écrit|avez|hai)\b"
    r"|\bschrieb(?:en|st)?\s+(?:Sie|du|ich|ihr)\b|\bschreef\s+(?:u|je|jij|ik)\b"
    r"|\bskrev\s+(?:du|jag|jeg|ni)\b|\bhai scritto\b|\bavete scritto\b|\bavez écrit\b",
    re.IGNORECASE,
)

_ORIGINAL = (
    "Original Message|Original Appointment|Original E?-?mail|Forwarded message|Forwarded by .{1,80}"
    "|Forwarded Mail|Forwarded email|Reply message|Reply above this line"
    "|Ursprüngliche Nachricht|Ursprüngliche Mail|Originalnachricht|Original Nachricht"
    "|Weitergeleitete Nachricht|Weitergeleitete Mail|Message d['’]origine|Message original"
    "|Message transféré|Message transmis|Courriel original|E-mail d'origine|Mensaje original"
    "|Mensaje reenviado|Mensaje transmitido|Messaggio originale|Messaggio inoltrato"
    "|Mensagem original|Mensagem encaminhada|Mensagem reencaminhada|Oorspronkelijk bericht"
    "|Origineel bericht|Doorgestuurd bericht|Wiadomość oryginalna|Oryginalna wiadomość"
    "|Treść przekazanej wiadomości|Przekazana wiadomość|Wiadomość przekazana"
    "|Ursprungligt meddelande|Vidarebefordrat meddelande|Originalmeddelande|Oprindelig meddelelse"
    "|Videresendt meddelelse|Opprinnelig melding|Videresendt melding|Alkuperäinen viesti"
    "|Välitetty viesti|Původní zpráva|Přeposlaná zpráva|Původní e-mail|Pôvodná správa"
    "|Eredeti üzenet|Továbbított üzenet|Mesaj original|Mesaj redirecționat|Orijinal mesaj"
    "|İletilen mesaj|Исходное сообщение|Пересылаемое сообщение|Пересланное сообщение"
    "|Оригінальне повідомлення|原始邮件|原始郵件|转发邮件|轉寄的郵件|转发的邮件|元のメッセージ"
    "|転送されたメッセージ|원본 메시지|전달된 메시지"
)
SEPARATOR = re.compile(rf"\s*[-_=*]{{2,}}\s*(?:{_ORIGINAL})\s*:?\s*[-_=*]{{2,}}\s*", re.IGNORECASE)
# Apple Mail's lines before a forwarded mail.
BEGIN = re.compile(
    r"\s*(?:Begin forwarded message|Anfang der weitergeleiteten (?:Nachricht|E-Mail)"
    r"|Début du message (?:réexpédié|transféré)|Inicio del mensaje reenviado"
    r"|Inizio (?:del )?messaggio inoltrato|Begin doorgestuurd bericht"
    r"|Início da mensagem (?:re)?encaminhada|Początek przekazywanej wiadomości"
    r"|Początek przekazanej wiadomości|Vidarebefordrat meddelande|Start på videresendt besked"
    r"|Videresendt melding|Välitetty viesti alkaa|Začátek přeposlané zprávy"
    r"|Начало переадресованного сообщения)\s?[:\uff1a]\s*",
    re.IGNORECASE,
)
OUTLOOK_RULE = re.compile(r"\s*(?:_{20,}|-{30,})\s*")


def _label(words: str) -> re.Pattern[str]:
    return re.compile(rf"\s*\*?(?:{words})\s?\*?\s?[:\uff1a]", re.IGNORECASE)


FROM = _label(
    "From|Von|De|Da|Van|Från|Fra|Od|Odesílatel|Odosielateľ|От|От кого|Від|Lähettäjä|Feladó|Kimden"
    "|Gönderen|De la|Expéditeur|Expediteur|Mittente|Remitente|Afzender|Nadawca|发件人|寄件者|差出人"
    "|보낸 사람|Absender"
)
SUBJECT = _label(
    "Subject|Betreff|Objet|Sujet|Asunto|Assunto|Oggetto|Onderwerp|Ämne|Emne|Temat|Předmět|Predmet"
    "|Тема|Aihe|Tárgy|Konu|Subiect|主题|主旨|件名|제목|RE|AW|WG|FW"
)
SENT = _label(
    "Sent|Date|Gesendet|Gesendet am|Datum|Envoyé|Envoyé le|Enviado|Enviado el|Enviada|Enviada em"
    "|Enviado em|Inviato|Data|Fecha|Verzonden|Skickat|Skickat den|Sendt|Dato|Wysłano|Wysłane"
    "|Odesláno|Odoslané|Dátum|Отправлено|Дата|Надіслано|Lähetetty|Päivämäärä|Elküldve|Gönderilme"
    "|Gönderildi|Tarih|Trimis|发送时间|日期|寄件日期|送信日時|日付|보낸 날짜"
)

SIGNATURE_DELIMITER = re.compile(r"(?:--|\u2014|__) ?")
# What phones and free mail programs put below a mail; the whole line.
DEVICE = re.compile(
    r"(?:[-\u2013\u2014*_]{0,3}\s*)?(?:"
    r"(?:sent|sent securely|emailed) (?:from|via|with|using) (?:my |the |a )?\S.{0,70}"
    r"|get (?:outlook|bluemail|typeapp|spike) for .{1,60}"
    r"|(?:von meinem|von meiner|vom) .{1,40} (?:gesendet|verschickt|aus gesendet)"
    r"|gesendet (?:von|mit|vom|über) (?:meinem|meiner|der|dem)? ?.{1,60}"
    r"|diese (?:nachricht|e-?mail|mail) wurde von meinem .{1,80} gesendet"
    r"|(?:outlook für|holen sie sich outlook für) .{1,50}"
    r"|(?:envoyé|télécharger outlook|obtenez outlook) (?:de|depuis|à partir de|avec|pour) .{1,60}"
    r"|(?:enviado|enviada|enviat) (?:desde|do|da|de|a partir|pelo|pela|con|com) .{1,60}"
    r"|(?:obtener|obter|obtenha o) outlook (?:para|o) .{1,50}"
    r"|inviat[oa] (?:da|dal|con|tramite) .{1,60}|(?:ottieni|scarica) outlook per .{1,50}"
    r"|(?:verstuurd|verzonden) (?:vanaf|via|met|vanuit) .{1,60}|outlook voor .{1,40} downloaden"
    r"|(?:wysłan[eo]|wysłano) (?:z|ze|za pomocą|przy pomocy) .{1,60}|pobierz (?:aplikację )?outlook"
    r" .{1,40}|(?:skickat|skickades) (?:från|via) .{1,50}|sendt (?:fra|med|via) .{1,50}"
    r"|lähetetty (?:.{1,40})|odesláno (?:z|ze) .{1,50}|odoslané z .{1,50}"
    r"|отправлено (?:с|из) .{1,50}|надіслано з .{1,50}|.{1,30}[ıiu]mdan gönderildi"
    r"|iphone(?:から|で)送信|.{0,10}から送信|发自我的.{1,30}|從我的 ?.{1,30}傳送|나의 .{1,20}에서 보냄"
    r"|elküldve .{1,50}|trimis de pe .{1,50})\.?",
    re.IGNORECASE,
)
# Formal closings: what follows is a name and how to reach it.
CLOSING = re.compile(
    r"(?:(?:with )?(?:best|kind|kindest|warm|warmest)(?: wishes| regards)|regards|best wishes"
    r"|yours (?:sincerely|faithfully|truly)|sincerely(?: yours)?|respectfully"
    r"|mit (?:freundlichen|besten|herzlichen|lieben|vielen) grü(?:ß|ss)en|mfg|freundliche grü(?:ß|ss)e"
    r"|(?:viele|liebe|beste|herzliche|schöne) grü(?:ß|ss)e|hochachtungsvoll"
    r"|(?:bien )?cordialement|sincères salutations|meilleures salutations|bien à vous"
    r"|(?:un )?(?:cordial(?:es)? )?saludos?(?: cordiales)?|atentamente|un cordial saludo"
    r"|(?:cordiali|distinti) saluti|met vriendelijke groet(?:en)?|vriendelijke groet(?:en)?"
    r"|atenciosamente|cumprimentos|com os melhores cumprimentos|melhores cumprimentos"
    r"|z poważaniem|pozdrawiam|(?:med )?vänlig(?:a)? hälsning(?:ar)?|(?:med )?venlig hilsen"
    r"|(?:med )?vennlig hilsen|ystävällisin terveisin|s pozdravem|с уважением|üdvözlettel"
    r"|saygılarımla|cu stimă)\s*[,.!]?",
    re.IGNORECASE,
)
