"""The signs of a drawing, as SVG paths in a square of 12 px."""

from collections.abc import Mapping

ICONS: Mapping[str, str] = {
    # what happens
    "mail": "M0.5 2.5h11v7h-11zM0.5 2.5 6 7 11.5 2.5",
    "event": "M7 0.5 2.5 7h3L4.5 11.5 9.5 5h-3.2z",
    "clock": "M11 6a5 5 0 1 1-10 0a5 5 0 1 1 10 0M6 3v3l2 1.5",
    # what is done
    "reply": "M4.5 2 1 5.5 4.5 9M1 5.5h6.5a3.5 3.5 0 0 1 3.5 3.5v1.5",
    "notice": "M2 9c1.2-1 1-2.5 1-4a3 3 0 0 1 6 0c0 1.5-0.2 3 1 4zM5 10.8h2",
    "net": "M1 1.5h10v9h-10zM1 6h3.5M7.5 6h3.5M4.5 4.2h3v3.6h-3z",
    # what holds and what ends
    "lock": "M2.5 5.5h7v5.5h-7zM4 5.5v-2a2 2 0 0 1 4 0v2",
    "cancel": "M2 2l8 8M10 2l-8 8",
    # joins, each turned upside down for its split
    "AND": "M1 1h10L6 11z",
    "XOR": "M1 11h10L6 1z",
    "OR": "M6 0.5 11.5 6 6 11.5 0.5 6z",
}
