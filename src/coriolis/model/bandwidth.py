"""Limits of bandwidth with time windows: "50 MiB/s", "08:00-18:00 50 MiB/s, 18:00-22:00 200 MiB/s, 1 GiB/s"."""

import re
from dataclasses import dataclass
from datetime import datetime

UNLIMITED = "unlimited"
LEAST_RATE = 64 * 1024  # bytes a second; below that a run looks like one that hangs
_UNITS = {
    "KiB/s": 1 << 10,
    "MiB/s": 1 << 20,
    "GiB/s": 1 << 30,
    "kB/s": 1000,
    "MB/s": 1000**2,
    "GB/s": 1000**3,
    "kbit/s": 125,
    "Mbit/s": 125_000,
    "Gbit/s": 125_000_000,
}
_ENTRY = re.compile(
    r"(?:(?P<start>\d\d:\d\d)-(?P<end>\d\d:\d\d)\s+)?(?:unlimited|(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[A-Za-z][A-Za-z/]*))"
)
_DAY_MINUTES = 24 * 60


@dataclass(frozen=True, slots=True)
class Window:
    """Minutes of the day (UTC), from `start` until before `end`; over midnight where `end` is not later. `rate`
    in bytes a second, 0 for no limit.
    """

    start: int
    end: int
    rate: float

    def holds(self, minute: int) -> bool:
        if self.start < self.end:
            return self.start <= minute < self.end
        return minute >= self.start or minute < self.end


@dataclass(frozen=True, slots=True)
class BandwidthLimit:
    """The first window that holds counts, else `otherwise` (bytes a second, 0 for no limit)."""

    windows: tuple[Window, ...] = ()
    otherwise: float = 0.0

    def rate(self, now: datetime) -> float:
        """Bytes a second at `now` (UTC); 0 for no limit."""
        minute = now.hour * 60 + now.minute
        for window in self.windows:
            if window.holds(minute):
                return window.rate
        return self.otherwise


def parse_bandwidth(text: str) -> BandwidthLimit:
    """Raises ValueError that says what is wrong. An empty text is no limit."""
    windows: list[Window] = []
    otherwise: float | None = None
    for entry in (part.strip() for part in text.split(",")) if text.strip() else ():
        if otherwise is not None:
            raise ValueError(f"{entry!r} follows a rate without a time window, which must come last")
        found = _ENTRY.fullmatch(entry)
        if found is None:
            raise ValueError(f"{entry!r} is not like '50 MiB/s', '08:00-18:00 50 MiB/s' or '{UNLIMITED}'")
        rate = _rate(entry, found["number"], found["unit"])
        if found["start"] is None:
            otherwise = rate
        else:
            windows.append(_window(entry, found["start"], found["end"], rate))
    return BandwidthLimit(tuple(windows), otherwise or 0.0)


def _rate(entry: str, number: str | None, unit: str) -> float:
    if number is None:
        return 0.0
    if unit not in _UNITS:
        raise ValueError(f"{entry!r}: there is no unit {unit!r}, only {', '.join(_UNITS)}")
    rate = float(number) * _UNITS[unit]
    if rate < LEAST_RATE:
        raise ValueError(f"{entry!r} is less than 64 KiB/s")
    return rate


def _window(entry: str, start: str, end: str, rate: float) -> Window:
    first, last = _minute(entry, start), _minute(entry, end)
    if first % _DAY_MINUTES == last % _DAY_MINUTES and last - first != _DAY_MINUTES:
        raise ValueError(f"{entry!r}: the window is empty")
    return Window(first, last, rate)


def _minute(entry: str, text: str) -> int:
    hours, minutes = (int(part) for part in text.split(":"))
    if minutes > 59 or hours * 60 + minutes > _DAY_MINUTES:
        raise ValueError(f"{entry!r}: there is no time {text}")
    return hours * 60 + minutes
