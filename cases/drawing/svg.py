"""A placed picture as SVG: plain shapes and texts, no script, no link, nothing from elsewhere.

Its colours follow whether the reader's screen is light or dark.
"""

from collections.abc import Iterator, Sequence
from html import escape

from cases.drawing.icons import ICONS
from cases.drawing.measures import (
    ICON_WIDTH,
    LINE_HEIGHT,
    PADDING,
    STRIP_HEIGHT,
    Line,
    lines_of,
    name_of,
    plain,
    size_of,
)
from cases.drawing.picture import Arrow, Look, Node, Stroke
from cases.drawing.placing import Placed, Point

MARGIN = 16.0
MAX_TITLE_CHARS = 1_000
CORNER = 7.0  # of an arrow's bend
# What a label's text stands on hides the line behind it, so the background is one colour.
STYLE = """
.paper{fill:#fff}.ink{fill:#1f2328}.soft{fill:#57606a}
text{font:12px system-ui,-apple-system,"Segoe UI","DejaVu Sans",sans-serif;fill:#1f2328}
.name{font-weight:600}.strip-text{font-size:10px;fill:#57606a}
.box{stroke:#57606a;stroke-width:1.3}
.state{fill:#eef4ff;stroke:#3a6fc4}.task{fill:#f6f8fa}.condition{fill:#fff}
.strip{fill:#e3e7ec;stroke:#57606a;stroke-width:1}
.inner{fill:none}
.label{fill:#fff;stroke:none}
.flow,.read,.error,.cancel{fill:none;stroke:#6e7781;stroke-width:1.3}
.read{stroke-dasharray:1.5 3;stroke-linecap:round}
.error{stroke:#bc4c00;stroke-dasharray:5 3}
.cancel{stroke:#cf222e;stroke-dasharray:7 4}
.head-flow{fill:#6e7781}.head-error{fill:#bc4c00}.head-cancel{fill:#cf222e}
.icon{fill:none;stroke:#57606a;stroke-width:1.2;stroke-linejoin:round;stroke-linecap:round}
.here{stroke:#1a7f37;stroke-width:3}
.token{fill:#1a7f37}.token-text{fill:#fff;font-weight:600;font-size:11px}
@media (prefers-color-scheme:dark){
.paper{fill:#0d1117}.ink{fill:#e6edf3}.soft{fill:#9198a1}text{fill:#e6edf3}.strip-text{fill:#9198a1}
.box{stroke:#9198a1}.state{fill:#14233d;stroke:#5b8fe0}.task{fill:#161b22}.condition{fill:#0d1117}
.strip{fill:#2b323b;stroke:#9198a1}.inner{fill:none}.label{fill:#0d1117;stroke:none}
.flow,.read{stroke:#9198a1}.head-flow{fill:#9198a1}.icon{stroke:#9198a1}
.error{stroke:#f0883e}.head-error{fill:#f0883e}.cancel{stroke:#ff7b72}.head-cancel{fill:#ff7b72}
.here{stroke:#3fb950}.token{fill:#3fb950}.token-text{fill:#0d1117}}
"""


def svg_of(placed: Placed) -> str:
    """Return a drawing as one SVG document, with title and description for those who hear it."""
    left, top, width, height = _bounds(placed)
    title, about = plain(placed.picture.title[:MAX_TITLE_CHARS]), _description(placed)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-labelledby="title about"'
        f' viewBox="{_n(left)} {_n(top)} {_n(width)} {_n(height)}"'
        f' width="{_n(width)}" height="{_n(height)}">',
        f'<title id="title">{escape(title)}</title>',
        f'<desc id="about">{escape(about)}</desc>',
        f"<style>{STYLE}</style>",
        f"<defs>{''.join(_heads())}</defs>",
        f'<rect class="paper" x="{_n(left)}" y="{_n(top)}" width="{_n(width)}"'
        f' height="{_n(height)}"/>',
    ]
    for arrow, way in zip(placed.picture.arrows, placed.ways, strict=True):
        parts.append(_arrow(arrow, way))
    for node in placed.picture.nodes:
        parts.append(_node(node, placed.middles[node.id]))
    return "\n".join([*parts, "</svg>", ""])


def _bounds(placed: Placed) -> tuple[float, float, float, float]:
    """Return left, top, width and height of all that is drawn."""
    across = [point[0] for way in placed.ways for point in way]
    down = [point[1] for way in placed.ways for point in way]
    for node in placed.picture.nodes:
        (x, y), (width, height) = placed.middles[node.id], size_of(node)
        across += [x - width / 2, x + width / 2]
        down += [y - height / 2, y + height / 2]
    left, top = min(across) - MARGIN, min(down) - MARGIN
    return left, top, max(across) + MARGIN - left, max(down) + MARGIN - top


def _description(placed: Placed) -> str:
    """Return the picture in words: what there is, and where a case stands."""
    nodes = placed.picture.nodes
    named = [node for node in nodes if node.name]
    words = [plain(placed.picture.about[:MAX_TITLE_CHARS])] if placed.picture.about else []
    names = ", ".join(name_of(node) for node in named[:100])
    words.append(f"{len(named)} parts: {names}." if named else "Nothing but a start.")
    at = [name_of(node) or "a place without a name" for node in nodes if node.tokens]
    running = [name_of(node) or "a transition" for node in nodes if node.running]
    if at:
        words.append(f"Tokens are at {', '.join(at[:100])}.")
    if running:
        words.append(f"Running: {', '.join(running[:100])}.")
    return " ".join(words)


def _heads() -> Iterator[str]:
    for stroke in (Stroke.FLOW, Stroke.ERROR, Stroke.CANCEL):
        yield (
            f'<marker id="to-{stroke}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8"'
            f' markerHeight="8" orient="auto" markerUnits="userSpaceOnUse">'
            f'<path class="head-{stroke}" d="M0 1 10 5 0 9z"/></marker>'
        )


def _arrow(arrow: Arrow, way: Sequence[Point]) -> str:
    head = f' marker-end="url(#to-{arrow.stroke})"' if arrow.head else ""
    return f'<path class="{arrow.stroke}" d="{_rounded(way)}"{head}/>'


def _rounded(way: Sequence[Point]) -> str:
    """Return a line through points, its bends rounded."""
    words = [f"M{_n(way[0][0])} {_n(way[0][1])}"]
    for before, bend, after in zip(way, way[1:], way[2:], strict=False):
        start, end = _towards(bend, before), _towards(bend, after)
        words.append(f"L{_n(start[0])} {_n(start[1])}")
        words.append(f"Q{_n(bend[0])} {_n(bend[1])} {_n(end[0])} {_n(end[1])}")
    words.append(f"L{_n(way[-1][0])} {_n(way[-1][1])}")
    return " ".join(words)


def _towards(bend: Point, point: Point) -> Point:
    across, down = point[0] - bend[0], point[1] - bend[1]
    length = (across**2 + down**2) ** 0.5
    part = min(CORNER, length / 2) / length if length else 0.0
    return bend[0] + across * part, bend[1] + down * part


def _node(node: Node, middle: Point) -> str:
    match node.look:
        case Look.START:
            drawn = [f'<circle class="ink" cx="{_n(middle[0])}" cy="{_n(middle[1])}" r="6"/>']
        case Look.CONDITION:
            drawn = list(_condition(node, middle))
        case _:
            drawn = list(_box(node, middle))
    full = escape(plain(_in_full(node)[:MAX_TITLE_CHARS]))
    title = f"<title>{full}</title>" if full else ""
    return f"<g>{title}{''.join(drawn)}</g>"


def _in_full(node: Node) -> str:
    """Return all that a node says, which is shown when one points at it."""
    rows = "; ".join(row.text[:MAX_TITLE_CHARS] for row in node.rows[:50])
    return ": ".join(part for part in (node.name, node.about, rows) if part)


def _condition(node: Node, middle: Point) -> Iterator[str]:
    """Draw a condition: a circle, made wider where it has a name."""
    width, height = size_of(node)
    left, top = middle[0] - width / 2, middle[1] - height / 2
    here = " here" if node.tokens else ""
    yield _rect(left, top, width, height, f"box condition{here}", height / 2)
    if node.final:
        yield _rect(left + 4, top + 4, width - 8, height - 8, "box inner", height / 2 - 4)
    if node.name:
        yield _text(middle[0], middle[1] + 4, name_of(node), "name", "middle")
    if node.tokens:
        at = (left + width - 4, top + 4) if node.name else middle
        yield from _badge(at, node.tokens)


def _box(node: Node, middle: Point) -> Iterator[str]:
    width, height = size_of(node)
    left, top = middle[0] - width / 2, middle[1] - height / 2
    shape = node.look.value
    here = " here" if node.tokens or node.running else ""
    round_by = 12 if node.look is Look.STATE else 2
    if node.several:
        for shift in (8, 4):
            yield _rect(left + shift, top - shift, width, height, f"box {shape}", round_by)
    box = f"box {shape}{here}" if node.look is not Look.LABEL or here else shape
    yield _rect(left, top, width, height, box, round_by)
    if node.final:
        yield _rect(left + 3.5, top + 3.5, width - 7, height - 7, "box inner", round_by - 3)
    text_top = top + (PADDING if node.name else 3.0)
    if node.join:
        yield from _strip(left, top, width, node.join)
        text_top += STRIP_HEIGHT
    if node.split:
        yield from _strip(left, top + height - STRIP_HEIGHT, width, node.split)
    yield from _texts(node, left + (PADDING if node.name else 3.0), text_top, middle[0])
    if node.tokens:
        yield from _badge((left + width - 4, top + 4), node.tokens)
    if node.running:
        yield from _playing((left + 4, top + 4), node.running)


def _strip(left: float, top: float, width: float, text: str) -> Iterator[str]:
    """Draw a join or split as YAWL decorates a task: a strip across it, here with its name."""
    yield _rect(left, top, width, STRIP_HEIGHT, "strip", 0)
    # A join of so many of its inputs is drawn as YAWL draws an OR.
    sign = ICONS.get(text.partition(" ")[0], ICONS["OR"])
    turned = " rotate(180 6 6)" if text.endswith("split") else ""
    at = f"translate({_n(left + 6)} {_n(top + 3)}){turned}"
    yield f'<path class="icon" transform="{at}" d="{sign}"/>'
    yield _text(left + width / 2 + 6, top + 12.5, text, "strip-text", "middle")


def _texts(node: Node, left: float, top: float, middle: float) -> Iterator[str]:
    baseline = top + 12
    if node.name:
        yield _text(middle, baseline, name_of(node), "name", "middle")
        baseline += LINE_HEIGHT
    for line in lines_of(node):
        yield from _line(line, left, baseline)
        baseline += LINE_HEIGHT


def _line(line: Line, left: float, baseline: float) -> Iterator[str]:
    if line.icon is not None:
        at = f"translate({_n(left)} {_n(baseline - 10)})"
        yield f'<path class="icon" transform="{at}" d="{ICONS[line.icon.value]}"/>'
    yield _text(left + (ICON_WIDTH if line.indented else 0), baseline, line.text)


def _badge(at: Point, tokens: int) -> Iterator[str]:
    """Draw tokens: a dot, with their number where there are several."""
    yield f'<circle class="token" cx="{_n(at[0])}" cy="{_n(at[1])}" r="9"/>'
    if tokens > 1:
        number = str(tokens) if tokens < 100 else "99+"
        yield _text(at[0], at[1] + 4, number, "token-text", "middle")


def _playing(at: Point, running: int) -> Iterator[str]:
    """Draw how often a task is running: once by the sign of a player, else as a number."""
    yield f'<circle class="token" cx="{_n(at[0])}" cy="{_n(at[1])}" r="9"/>'
    if running > 1:
        yield _text(at[0], at[1] + 4, str(min(running, 99)), "token-text", "middle")
    else:
        points = f"M{_n(at[0] - 3)} {_n(at[1] - 4.5)}l8 4.5-8 4.5z"
        yield f'<path class="paper" d="{points}"/>'


def _rect(left: float, top: float, width: float, height: float, name: str, round_by: float) -> str:
    return (
        f'<rect class="{name}" x="{_n(left)}" y="{_n(top)}" width="{_n(width)}"'
        f' height="{_n(height)}" rx="{_n(round_by)}"/>'
    )


def _text(x: float, y: float, text: str, name: str = "", anchor: str = "") -> str:
    said = escape(plain(text[:MAX_TITLE_CHARS]))
    look = (f' class="{name}"' if name else "") + (f' text-anchor="{anchor}"' if anchor else "")
    return f'<text x="{_n(x)}" y="{_n(y)}"{look}>{said}</text>'


def _n(number: float) -> str:
    """Return a length to a tenth of a pixel, the same on every machine."""
    return f"{number:.1f}".removesuffix(".0").replace("-0.0", "0") or "0"
