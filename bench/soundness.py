"""How long the soundness check takes on nets whose markings are many."""

from time import perf_counter

from bench.report import Section, Table
from cases.net import Arc, Branch, Net, Place, Task, make_net
from cases.soundness.explore import check_net

ROUNDS = 3
# (blocks one after the other, parallel branches in each, seconds aimed at)
NETS = ((5, 8, 0.5), (1, 12, 1.0))


def measure() -> Section:
    """Return the time of the check; the best of three rounds counts."""
    rows = []
    for blocks, width, aim_seconds in NETS:
        net = and_blocks(blocks, width)
        times = []
        for _ in range(ROUNDS):
            began = perf_counter()
            report = check_net(net)
            times.append(perf_counter() - began)
        name = f"AND {blocks} x {width}"
        row = (name, f"{report.markings:,}", f"{min(times):.3f}", f"{aim_seconds}", report.verdict)
        rows.append(row)
    columns = ("net", "markings", "seconds", "aim", "verdict")
    return Section("Soundness: time of the check", [Table(columns, rows)])


def and_blocks(blocks: int, width: int) -> Net:
    """Return blocks one after the other, each of so many parallel branches."""
    places, tasks = [Place("0", "0")], []
    for block in range(blocks):
        before = [f"{block}.{branch}" for branch in range(width)]
        after = [f"{name}.done" for name in before]
        end = str(block + 1)
        places += [Place(name, name) for name in (*before, *after)]
        places.append(Place(end, end, final=block + 1 == blocks))
        tasks.append(Task(f"split{block}", (Arc(str(block)),), tuple(map(Branch, before))))
        for source, to in zip(before, after, strict=True):
            tasks.append(Task(f"do{source}", (Arc(source),), (Branch(to),)))
        tasks.append(Task(f"join{block}", tuple(map(Arc, after)), (Branch(end),)))
    return make_net(places, tasks, "0")
