"""What peers needed for the same job: a mail by IMAP, sorted by keyword, answered by SMTP.

Measured on 2 cores shared with Dovecot 2.3.19 and an SMTP sink that answers at once; loopback,
no TLS, 2 kB mails, default settings; 2026-11. Another run of the same job on like hardware,
so a ratio to them is rougher than one between numbers of the same run.
"""

from dataclasses import dataclass

SOURCE = (
    "Peers: measured on 2 cores, 2026-11, on the same job (a mail arrives by IMAP, is sorted by"
    " keyword, is answered by SMTP; Dovecot 2.3.19, loopback, no TLS, 2 kB mails, default"
    " settings). They come from another run of the same job on like hardware; where several"
    " numbers are known, the ratio is to the middle of their range."
)


@dataclass(frozen=True, slots=True)
class Peer:
    """A peer's numbers; texts as they are shown, numbers for the ratio beside them."""

    name: str
    burst: str
    burst_seconds: float
    per_hour: str
    cpu_a_mail: str
    p50_seconds: float
    p95_seconds: float
    memory_idle_mb: float
    memory_peak: str
    memory_peak_mb: float
    lost_of_300: str


N8N = Peer(
    name="n8n 2.41.1",
    burst="6.7 and 10.0 s",
    burst_seconds=(6.7 + 10.0) / 2,
    per_hour="179,000-269,000",
    cpu_a_mail="14 ms",
    p50_seconds=8.0,
    p95_seconds=14.7,
    memory_idle_mb=534,
    memory_peak="0.94-1.25 GB",
    memory_peak_mb=1_095,
    lost_of_300="104, 132, 94",
)
NODE_RED = Peer(
    name="Node-RED 5.0.7",
    burst="6 s",
    burst_seconds=6.0,
    per_hour="-",
    cpu_a_mail="-",
    p50_seconds=0.549,
    p95_seconds=0.551,
    memory_idle_mb=144,
    memory_peak="283-477 MB",
    memory_peak_mb=380,
    lost_of_300="221, 92, 0 (and 35 answered up to several times)",
)
