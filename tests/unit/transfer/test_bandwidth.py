"""How limits of bandwidth are written."""

from datetime import datetime

import pytest

from coriolis.model.bandwidth import parse_bandwidth

MIB = 1 << 20


def at(clock: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-22T{clock}:00")


@pytest.mark.parametrize(
    ("text", "clock", "rate"),
    [
        ("", "12:00", 0),
        ("unlimited", "12:00", 0),
        ("50 MiB/s", "12:00", 50 * MIB),
        ("50MiB/s", "12:00", 50 * MIB),
        ("1.5 GB/s", "12:00", 1.5e9),
        ("100 Mbit/s", "12:00", 12.5e6),
        ("08:00-18:00 50 MiB/s", "08:00", 50 * MIB),
        ("08:00-18:00 50 MiB/s", "17:59", 50 * MIB),
        ("08:00-18:00 50 MiB/s", "18:00", 0),
        ("22:00-06:00 unlimited, 1 MiB/s", "23:30", 0),
        ("22:00-06:00 unlimited, 1 MiB/s", "05:59", 0),
        ("22:00-06:00 unlimited, 1 MiB/s", "06:00", MIB),
        ("08:00-12:00 1 MiB/s, 11:00-18:00 2 MiB/s, 3 MiB/s", "11:30", MIB),
        ("08:00-12:00 1 MiB/s, 11:00-18:00 2 MiB/s, 3 MiB/s", "12:00", 2 * MIB),
        ("08:00-12:00 1 MiB/s, 11:00-18:00 2 MiB/s, 3 MiB/s", "20:00", 3 * MIB),
        ("18:00-24:00 1 MiB/s", "23:59", MIB),
        ("00:00-24:00 1 MiB/s", "00:00", MIB),
    ],
)
def test_rates(text: str, clock: str, rate: float) -> None:
    assert parse_bandwidth(text).rate(at(clock)) == rate


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("fast", "is not like"),
        ("50", "is not like"),
        ("50 MiB", "no unit 'MiB'"),
        ("-1 MiB/s", "is not like"),
        ("0 MiB/s", "less than 64 KiB/s"),
        ("1 KiB/s", "less than 64 KiB/s"),
        ("8:00-18:00 50 MiB/s", "is not like"),
        ("08:00-18:60 50 MiB/s", "no time 18:60"),
        ("08:00-25:00 50 MiB/s", "no time 25:00"),
        ("08:00-08:00 50 MiB/s", "the window is empty"),
        ("00:00-00:00 50 MiB/s", "the window is empty"),
        ("50 MiB/s, 08:00-18:00 10 MiB/s", "must come last"),
        ("50 MiB/s,", "must come last"),
        ("08:00-18:00", "is not like"),
    ],
)
def test_complaints(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse_bandwidth(text)
