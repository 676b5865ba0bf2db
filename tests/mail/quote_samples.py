"""Replies and forwards as the known mail programs write them, in words of our own."""

# ruff: noqa: RUF001, E501 -- mails in other scripts; each reads better in one line

from dataclasses import dataclass

NEW = "The lamp still flickers.\nCould you send another one?"


@dataclass(frozen=True)
class Reply:
    """A text (or HTML) of a mail, and what is new and what is the signature in it."""

    name: str
    text: str
    new: str = NEW
    signature: str = ""
    is_html: bool = False


def top(name: str, attribution: str, *, marked: bool = True, signature: str = "") -> Reply:
    """Return an answer above the mail that it answers."""
    old = "Hello Lena,\nhas the lamp arrived?\n\nYour shop"
    quoted = "\n".join(f"> {line}".rstrip() for line in old.split("\n")) if marked else old
    end = f"\n\n{signature}" if signature else ""
    return Reply(name, f"{NEW}{end}\n\n{attribution}\n\n{quoted}\n", signature=signature)


def html(name: str, body: str, new: str = NEW, signature: str = "") -> Reply:
    """Return an answer in HTML."""
    return Reply(name, f"<html><body>{body}</body></html>", new, signature, is_html=True)


SHOP = "Shop Support <help@shop.test>"
ATTRIBUTIONS = {
    "gmail en": f"On Fri, 21 Nov 2025 at 10:00, {SHOP} wrote:",
    "gmail en us": f"On Fri, Nov 21, 2025 at 10:00 AM {SHOP} wrote:",
    "gmail en wrapped": "On Fri, Nov 21, 2025 at 10:00 AM Shop Support\n<help@shop.test> wrote:",
    "apple en": "On 21. Nov 2025, at 10:00, Shop Support <help@shop.test> wrote:",
    "thunderbird en": "On 21/11/2025 10:00, Shop Support wrote:",
    "yahoo en": f"On Friday, November 21, 2025 at 10:00:00 AM GMT+1, {SHOP} wrote:",
    "mutt en": "On Fri, Nov 21, 2025 at 10:00:12AM +0100, Shop Support wrote:",
    "gmail de": f"Am Fr., 21. Nov. 2025 um 10:00 Uhr schrieb {SHOP}:",
    "apple de": f"Am 21.11.2025 um 10:00 schrieb {SHOP}:",
    "thunderbird de": "Am 21.11.25 um 10:00 schrieb Shop Support:",
    "gmail phone de": f"{SHOP} schrieb am Fr., 21. Nov. 2025, 10:00:",
    "gmail fr": f"Le ven. 21 nov. 2025 à 10:00, {SHOP} a écrit :",
    "apple fr": f"Le 21 nov. 2025 à 10:00, {SHOP} a écrit :",
    "thunderbird fr": "Le 21/11/2025 à 10:00, Shop Support a écrit :",
    "gmail es": "El vie, 21 nov 2025 a las 10:00, Shop Support (<help@shop.test>) escribió:",
    "apple es": f"El 21 nov 2025, a las 10:00, {SHOP} escribió:",
    "thunderbird es": "El 21/11/2025 a las 10:00, Shop Support escribió:",
    "gmail it": f"Il giorno ven 21 nov 2025 alle ore 10:00 {SHOP} ha scritto:",
    "apple it": f"Il giorno 21 nov 2025, alle ore 10:00, {SHOP} ha scritto:",
    "thunderbird it": "Il 21/11/2025 10:00, Shop Support ha scritto:",
    "gmail nl": f"Op vr 21 nov 2025 om 10:00 schreef {SHOP}:",
    "apple nl": f"Op 21 nov. 2025 om 10:00 heeft {SHOP} het volgende geschreven:",
    "thunderbird nl": "Op 21-11-2025 om 10:00 schreef Shop Support:",
    "gmail pt": f"Em sex., 21 de nov. de 2025 às 10:00, {SHOP} escreveu:",
    "gmail pt pt": f"{SHOP} escreveu (sexta, 21/11/2025 à(s) 10:00):",
    "apple pt": f"Em 21 de nov. de 2025, à(s) 10:00, {SHOP} escreveu:",
    "gmail pl": f"pt., 21 lis 2025 o 10:00 {SHOP} napisał(a):",
    "thunderbird pl": "W dniu 21.11.2025 o 10:00, Shop Support pisze:",
    "apple pl": f"Wiadomość napisana przez {SHOP} w dniu 21 lis 2025, o godz. 10:00:",
    "gmail sv": f"Den fre 21 nov. 2025 kl 10:00 skrev {SHOP}:",
    "gmail da": f"Den fre. 21. nov. 2025 kl. 10.00 skrev {SHOP}:",
    "gmail no": f"fre. 21. nov. 2025 kl. 10:00 skrev {SHOP}:",
    "gmail fi": f"pe 21. marrask. 2025 klo 10.00 {SHOP} kirjoitti:",
    "gmail cs": f"pá 21. 11. 2025 v 10:00 odesílatel {SHOP} napsal:",
    "gmail hu": f"{SHOP} ezt írta (időpont: 2025. nov. 21., P, 10:00):",
    "gmail ru": f"пт, 21 нояб. 2025 г. в 10:00, {SHOP}:",
    "mail.ru": f"Пятница, 21 ноября 2025, 10:00 +03:00 от {SHOP}:",
    "gmail tr": f"{SHOP}, 21 Kas 2025 Cum, 10:00 tarihinde şunu yazdı:",
    "gmail ja": f"2025年11月21日(金) 10:00 {SHOP}:",
    "gmail zh": f"{SHOP} 于2025年11月21日周五 10:00写道：",
    "gmail ko": f"2025년 11월 21일 (금) 오전 10:00, {SHOP}님이 작성:",
}
BLOCKS = {
    "outlook en": f"From: {SHOP}\nSent: Friday, November 21, 2025 10:00 AM\nTo: Lena\nSubject: Lamp",
    "outlook bold": f"*From:* {SHOP}\n*Sent:* Friday, 21 November 2025 10:00\n*To:* L\n*Subject:* Lamp",
    "outlook rule": f"________________________________\nFrom: {SHOP}\nSent: Friday 10:00\nTo: Lena\nSubject: Lamp",
    "outlook old": "-----Original Message-----\nFrom: Shop\nSent: Friday\nTo: Lena\nSubject: Lamp",
    "outlook de": f"Von: {SHOP}\nGesendet: Freitag, 21. November 2025 10:00\nAn: Lena\nBetreff: Lampe",
    "outlook old de": "-----Ursprüngliche Nachricht-----\nVon: Shop\nGesendet: Freitag\nBetreff: Lampe",
    "outlook fr": f"De : {SHOP}\nEnvoyé : vendredi 21 novembre 2025 10:00\nÀ : Lena\nObjet : Lampe",
    "outlook es": f"De: {SHOP}\nEnviado el: viernes, 21 de noviembre de 2025 10:00\nPara: L\nAsunto: L",
    "outlook it": f"Da: {SHOP}\nInviato: venerdì 21 novembre 2025 10:00\nA: Lena\nOggetto: Lampada",
    "outlook nl": f"Van: {SHOP}\nVerzonden: vrijdag 21 november 2025 10:00\nAan: L\nOnderwerp: Lamp",
    "outlook pt": f"De: {SHOP}\nEnviada em: sexta-feira, 21 de novembro\nPara: Lena\nAssunto: Luz",
    "outlook pl": f"Od: {SHOP}\nWysłano: piątek, 21 listopada 2025 10:00\nDo: Lena\nTemat: Lampa",
    "outlook sv": f"Från: {SHOP}\nSkickat: den 21 november 2025 10:00\nTill: Lena\nÄmne: Lampa",
    "outlook cs": f"Od: {SHOP}\nOdesláno: pátek 21. listopadu 2025\nKomu: Lena\nPředmět: Lampa",
    "gmail forward": f"---------- Forwarded message ---------\nFrom: {SHOP}\nDate: Fri\nSubject: Lamp",
    "gmail forward fr": f"---------- Message transféré ---------\nDe : {SHOP}\nDate : ven.\nObjet : L",
    "thunderbird forward de": f"-------- Weitergeleitete Nachricht --------\nBetreff: L\nVon: {SHOP}",
    "apple forward": f"Begin forwarded message:\n\nFrom: {SHOP}\nSubject: Lamp\nDate: 21 Nov",
    "apple forward de": f"Anfang der weitergeleiteten Nachricht:\n\nVon: {SHOP}\nBetreff: Lampe",
    "yahoo forward": f"----- Forwarded Message -----\nFrom: {SHOP}\nTo: Lena\nSent: Friday",
    "lotus": "----- Forwarded by Lena/Customer on 21.11.2025 10:00 -----\n\nFrom: Shop\nTo: Lena",
}
DEVICES = {
    "iphone": "Sent from my iPhone",
    "android outlook": "Get Outlook for Android<https://aka.ms/x>",
    "windows mail": "Sent from Mail for Windows",
    "iphone de": "Von meinem iPhone gesendet",
    "gmx de": "Gesendet mit der GMX Mail App",
    "k9 de": "Diese Nachricht wurde von meinem Android-Gerät mit K-9 Mail gesendet.",
    "iphone fr": "Envoyé de mon iPhone",
    "iphone es": "Enviado desde mi iPhone",
    "iphone it": "Inviato da iPhone",
    "iphone nl": "Verstuurd vanaf mijn iPhone",
    "iphone pt": "Enviado do meu iPhone",
    "iphone pl": "Wysłane z iPhone’a",
    "iphone sv": "Skickat från min iPhone",
    "iphone ja": "iPhoneから送信",
}
SIGNATURES = {
    "delimiter": "-- \nLena Muster\n+49 30 1234",
    "delimiter without blank": "--\nLena Muster",
    "closing en": "Best regards,\nLena Muster\nExample Ltd.",
    "closing de": "Mit freundlichen Grüßen\n\nLena Muster\nTel. 030 1234",
    "closing fr": "Cordialement,\nLéna",
    "closing es": "Un saludo,\nLena",
    "closing it": "Cordiali saluti\nLena",
    "closing nl": "Met vriendelijke groet,\nLena",
    "closing pt": "Atenciosamente,\nLena",
    "closing pl": "Pozdrawiam\nLena",
}

PLAIN = [
    *(top(name, line) for name, line in ATTRIBUTIONS.items()),
    *(
        top(f"{name}, unmarked", line, marked=False)
        for name, line in ATTRIBUTIONS.items()
        if ":" in line
    ),
    *(top(name, block, marked=False) for name, block in BLOCKS.items()),
    *(top(name, ATTRIBUTIONS["gmail en"], signature=s) for name, s in DEVICES.items()),
    *(top(name, BLOCKS["outlook en"], marked=False, signature=s) for name, s in SIGNATURES.items()),
    Reply("bottom", f"On Friday, Shop wrote:\n> Has it come?\n> Yours\n\n{NEW}\n"),
    Reply(
        "bottom, signed",
        f"Am 21.11.2025 um 10:00 schrieb S:\n> Da?\n\n{NEW}\n\n-- \nLena\n",
        signature="-- \nLena",
    ),
    Reply(
        "inline",
        "On Friday, S wrote:\n> Which one?\nThe green.\n> Since when?\nMonday.\n",
        "The green.\nMonday.",
    ),
    Reply(
        "inline, blank lines",
        "> Which one?\n\nThe green.\n\n> Since when?\n\nMonday.",
        "The green.\n\n\n\nMonday.",
    ),
    Reply("nothing quoted", NEW),
    Reply("delimiter alone", f"{NEW}\n\n-- \nLena", signature="-- \nLena"),
    Reply(
        "forward without a word",
        f"{BLOCKS['gmail forward']}\n\nThe lamp.",
        f"{BLOCKS['gmail forward']}\n\nThe lamp.",
    ),
    Reply(
        "two levels",
        f"{NEW}\n\nOn Fri, 21 Nov 2025, S <s@x.test> wrote:\n> a\n>\n> On Thu, L wrote:\n>> b\n",
        NEW,
    ),
    Reply("short word above", f"On it!\n{ATTRIBUTIONS['gmail en']}\n> Lamp?", "On it!"),
    Reply("booking form", "From: Berlin\nTo: Paris\nDate: 3 May\nPlease change it."),
    Reply("own sentence", "On 3 May you wrote:\nthe lamp comes tomorrow\nbut it did not."),
    Reply(
        "own sentence de", "Am 3. Mai um 10:00 schrieben Sie:\ndie Lampe kommt\naber sie kam nicht."
    ),
    Reply("list", "Please send:\n- a lamp\n- a bulb\n- 2 > 1 screws"),
    Reply("thanks", "Thanks!\nLena"),
    Reply("rule in a text", "First part\n____________________\nSecond part"),
]
# What has nothing to take away is all new.
PLAIN = [
    Reply(r.name, r.text, r.text)
    if r.name
    in {"booking form", "own sentence", "own sentence de", "list", "thanks", "rule in a text"}
    else r
    for r in PLAIN
]

P = "<div>The lamp still flickers.</div><div>Could you send another one?</div>"
OLD = "<div>Hello Lena,</div><div>has the lamp arrived?</div>"
HTML = [
    html("gmail", f'<div dir="ltr">{P}</div><br><div class="gmail_quote"><div class="gmail_attr">On Fri, Shop wrote:<br></div><blockquote class="gmail_quote">{OLD}</blockquote></div>'),
    html("gmail in an unknown language", f'{P}<div class="gmail_quote"><div class="gmail_attr">Qwerty Shop zuiop:<br></div><blockquote class="gmail_quote">{OLD}</blockquote></div>'),
    html("gmail inline", '<div class="gmail_quote"><div class="gmail_attr">On Fri, S wrote:</div><blockquote class="gmail_quote">Which one?</blockquote><div>The green.</div><blockquote class="gmail_quote">Since when?</blockquote><div>Monday.</div></div>', "The green.\nMonday."),
    html("gmail forward", f'{P}<div class="gmail_quote"><div class="gmail_attr">---------- Forwarded message ---------<br>From: S</div>{OLD}</div>'),
    html("gmail signature", f'{P}<div class="gmail_signature">Lena<br>Example</div><div class="gmail_quote"><blockquote>{OLD}</blockquote></div>', signature="Lena\nExample"),
    html("gmail indented text", "<div>Take</div><blockquote style='margin:0 0 0 40px;border:none;padding:0px'>two</blockquote><div>lamps</div>", "Take\ntwo\nlamps"),
    html("apple", f'{P}<div><br><blockquote type="cite"><div>On 21. Nov 2025, at 10:00, S &lt;s@x.test&gt; wrote:</div>{OLD}</blockquote></div>'),
    html("thunderbird", f'{P}<div class="moz-cite-prefix">On 21/11/2025 10:00, S wrote:</div><blockquote type="cite">{OLD}</blockquote><div class="moz-signature">-- <br>Lena</div>', signature="--\nLena"),
    html("thunderbird bottom", f'<div class="moz-cite-prefix">On 21/11/2025 10:00, S wrote:</div><blockquote type="cite">{OLD}</blockquote>{P}'),
    html("thunderbird forward", f'{P}<div class="moz-forward-container">-------- Forwarded --------<br>{OLD}</div>'),
    html("outlook web", f'{P}<div id="Signature">Lena</div><div id="appendonsend"></div><hr><div id="divRplyFwdMsg"><b>From:</b> S<br><b>Sent:</b> Friday</div>{OLD}', signature="Lena"),
    html("outlook windows", f'{P}<div style="border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0in 0in 0in"><p><b>From:</b> S &lt;s@x.test&gt;<br><b>Sent:</b> Friday<br><b>To:</b> L<br><b>Subject:</b> Lamp</p></div>{OLD}'),
    html("outlook phone", f'{P}<div id="ms-outlook-mobile-signature">Get <a href="x">Outlook for iOS</a></div><div id="mail-editor-reference-message-container"><hr><div><b>From:</b> S</div>{OLD}</div>', signature="Get Outlook for iOS"),
    html("yahoo", f'{P}<div class="yahoo_quoted"><div>On Friday, S wrote:</div>{OLD}</div>'),
    html("proton", f'{P}<div class="protonmail_quote">On Friday, S wrote:<blockquote>{OLD}</blockquote></div>'),
    html("bare blockquote", f"{P}<p>Am 21.11.2025 um 10:00 schrieb S &lt;s@x.test&gt;:</p><blockquote>{OLD}</blockquote>"),
    html("no marks at all", f"{P}<p>On Fri, 21 Nov 2025 at 10:00, S &lt;s@x.test&gt; wrote:</p>{OLD}"),
    html("quotation alone", f"<blockquote>{OLD}</blockquote>", "Hello Lena,\nhas the lamp arrived?"),
]  # fmt: skip
REPLIES = [*PLAIN, *HTML]
