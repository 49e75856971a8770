"""What is aimed at: dataplane.md §7 and the issue, the rows that need no foreign code.

Ratios are of medians of interleaved runs. The gate is CPU; wall ratios have slack for a machine that others use.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.data.images import LEAF, changed_leaves
from bench.data.measure import MIB, Series

_LINEAR_SLACK = 1.15  # of CPU seconds a GiB: the noise of the accounting; what is paid once a run only helps
_AGENT_BYTES = 64 * MIB
_FIRST_BYTE_SECONDS = 1.0
_FRAMING = (
    1.002  # headers and digests are 0.03 % of a full frame, TLS 1.3 adds 22 bytes to each 16 KiB: 0.13 %
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """One line of the table: what was found beside what is aimed at. `met` None: not measured, for `note`."""

    what: str
    found: str
    target: str
    met: bool | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Ratio:
    """`speed`: at least so many times as fast; `cpu`: at most so many times the CPU seconds."""

    image: str
    candidate: str
    reference_image: str
    reference: str
    speed: float
    cpu: float
    note: str = ""


_ONE_HOP, _TWO_HOPS = "dd | ssh | dd", "ssh dd | ssh dd"
_DIRECT, _TLS, _SSH = "coriolis, direct", "coriolis, tls", "coriolis, ssh"
_SSH_ONE_HOP = "coriolis, ssh-one-hop"
_RELAYED = "two hops against one"

RATIOS = (
    Ratio("mixed", _DIRECT, "mixed", _ONE_HOP, 1.5, 0.85),
    Ratio("mixed", _DIRECT, "mixed", "nbdcopy, TLS", 0.85, 1.2, "which verifies nothing"),
    Ratio("random", _DIRECT, "random", _ONE_HOP, 0.8, 1.45),
    Ratio("mixed", _TLS, "mixed", _ONE_HOP, 1.5, 0.85, _RELAYED),
    Ratio("mixed", _TLS, "mixed", _TWO_HOPS, 1.3, 0.6),
    Ratio("mixed", _SSH_ONE_HOP, "mixed", _ONE_HOP, 1.3, 1.0),
    Ratio("random", _SSH_ONE_HOP, "random", _ONE_HOP, 0.75, 1.65),
    Ratio("mixed", _SSH, "mixed", _ONE_HOP, 1.3, 1.0, _RELAYED),
    Ratio("mixed", _SSH, "mixed", _TWO_HOPS, 1.3, 0.85),
    Ratio("changed", _DIRECT, "mixed", _DIRECT, 2.5, 0.42),
    Ratio("changed", _TLS, "mixed", _TLS, 2.5, 0.42),
    Ratio("changed", _TLS, "mixed", _ONE_HOP, 2.2, 0.42),
    Ratio("changed", _SSH, "mixed", _SSH, 2.5, 0.42),
)


def verdicts(series: Sequence[Series], start: Sequence[Series]) -> list[Verdict]:
    """All of one disk size; `start`: the candidates' runs of next to nothing."""
    found = {(one.image, one.candidate): one for one in series}
    starts = {one.candidate: one for one in start}
    lines: list[Verdict] = []
    for ratio in RATIOS:
        lines += _ratio(ratio, found, starts)
    ours = [one for one in series if one.candidate.startswith("coriolis")]
    return lines + [line for make in (_wire, _zeros, _memory, _first_byte) for line in make(ours)]


def _ratio(ratio: Ratio, found: dict[tuple[str, str], Series], starts: dict[str, Series]) -> list[Verdict]:
    mine = found.get((ratio.image, ratio.candidate))
    other = found.get((ratio.reference_image, ratio.reference))
    beside = ratio.reference + (
        "" if ratio.reference_image == ratio.image else f" of {ratio.reference_image}"
    )
    what = f"{ratio.image}: {ratio.candidate} against {beside}"
    if mine is None or other is None:
        missing = ratio.candidate if mine is None else beside
        return [Verdict(what, "", f"≥ {ratio.speed:g} × speed, ≤ {ratio.cpu:g} × CPU", None, f"no {missing}")]
    speed = other.median("wall") / mine.median("wall")
    cpu = mine.median("cpu") / other.median("cpu")
    start = starts.get(ratio.candidate)
    return [
        Verdict(
            what,
            f"{speed:.2f} × speed",
            f"≥ {ratio.speed:g} ×",
            speed >= ratio.speed,
            _share(mine, start, "wall"),
        ),
        Verdict(
            ratio.note and f"  {ratio.note}",
            f"{cpu:.2f} × CPU",
            f"≤ {ratio.cpu:g} ×",
            cpu <= ratio.cpu,
            _share(mine, start, "cpu"),
        ),
    ]


def _share(mine: Series, start: Series | None, name: str) -> str:
    """How much of a run is what a run costs whatever its size: the larger the disk, the less it counts."""
    if start is None:
        return ""
    return f"{start.median(name):.2f} of {mine.median(name):.2f} s are the start"


def _wire(ours: Sequence[Series]) -> list[Verdict]:
    lines = []
    for one in ours:
        if one.image == "changed":
            limit = 1.02 * changed_leaves(one.size) * LEAF + 0.0005 * one.size
            carried = one.worst("carried")
            what = f"wire bytes of a 1 % change, {one.candidate}"
            found = f"{carried / 1e6:.2f} MB ({one.worst('wire') / 1e6:.2f} on the network)"
            target = f"≤ {limit / 1e6:.2f} MB"
            lines.append(
                Verdict(what, found, target, carried <= limit, "1.02 × changed leaves + 0.05 % of disk")
            )
    return lines


def _zeros(ours: Sequence[Series]) -> list[Verdict]:
    """The mixed image is half zeros: what moved is what has content."""
    lines = []
    for one in ours:
        if one.image == "mixed":
            sent = max(float(sample.moved or 0) + float(sample.zero or 0) for sample in one.samples)
            found = f"{one.median('moved') / 1e6:.0f} MB moved, {one.median('zero') / 1e6:.0f} MB zero"
            met = sent == one.size and one.median("carried") <= _FRAMING * one.median("moved") + LEAF
            lines.append(Verdict(f"zeros of the mixed image, {one.candidate}", found, "never sent", met))
    return lines


def _memory(ours: Sequence[Series]) -> list[Verdict]:
    most = max((one.worst("agent_memory") for one in ours), default=0.0)
    if not most:
        return [
            Verdict("memory of an agent", "", f"≤ {_AGENT_BYTES >> 20} MiB", None, "no cgroup to look into")
        ]
    found, target = f"{most / MIB:.1f} MiB", f"≤ {_AGENT_BYTES >> 20} MiB"
    child = max(one.worst("child_memory") for one in ours)
    note = f"the transfer child {child / MIB:.1f} MiB"
    return [Verdict("memory of an agent, at most", found, target, most <= _AGENT_BYTES, note)]


def _first_byte(ours: Sequence[Series]) -> list[Verdict]:
    lines = []
    for one in ours:
        if one.image == "mixed":
            seconds = one.median("first_byte")
            target, met = f"≤ {_FIRST_BYTE_SECONDS:g} s", seconds <= _FIRST_BYTE_SECONDS
            lines.append(Verdict(f"first byte, {one.candidate}", f"{seconds:.2f} s", target, met))
    return lines


def linear(series: Sequence[Series]) -> list[Verdict]:
    """Of one candidate with one image, in several sizes."""
    ordered = sorted(series, key=lambda one: one.size)
    per_gib = [one.median("cpu") / (one.size / (1 << 30)) for one in ordered]
    sizes = ", ".join(f"{one.size / (1 << 30):g}" for one in ordered)
    what = f"CPU seconds a GiB on {sizes} GiB: {ordered[0].candidate}, {ordered[0].image}"
    found = ", ".join(f"{cost:.2f}" for cost in per_gib)
    worst = max(later / per_gib[0] for later in per_gib)
    return [Verdict(what, found, f"≤ {_LINEAR_SLACK:g} × the first", worst <= _LINEAR_SLACK)]


def limited(limit: float, rate: float, seconds: float, candidate: str) -> Verdict:
    """`rate` and `limit` in bytes a second, over `seconds`."""
    share, what = rate / limit, f"limit of {limit / MIB:g} MiB/s, {candidate}"
    note = "" if seconds >= 20 else "[yellow]too short to count[/]"
    return Verdict(what, f"{share:.1%} over {seconds:.0f} s", "90 to 102 %", 0.9 <= share <= 1.02, note)
