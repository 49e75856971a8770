"""What an agent says of itself, believed only as far as it makes sense."""

from dataclasses import dataclass
from typing import Any

from coriolis.agent import frames
from coriolis.agent.digests import ALGORITHMS, KEYED
from coriolis.agent.frames import ProtocolError

_MOST_RATE = 1e9  # MB a second


@dataclass(frozen=True, slots=True)
class Introduction:
    """Codecs by name, MB a second of each kind of digest algorithm that it has, processors, whether it can speak TLS
    1.3."""

    path: str
    codecs: tuple[str, ...]
    rates: dict[str, float]
    cpus: int
    tls: bool


def read_introduction(answer: dict[str, Any]) -> Introduction:
    """From the payload of an agent's HELLO. Raises ProtocolError where it is not one."""
    if answer.get("version") != frames.VERSION:
        raise ProtocolError(f"it speaks version {answer.get('version')!r}")
    try:
        introduction = Introduction(
            path=str(answer["path"]),
            codecs=tuple(str(codec) for codec in answer["codecs"]),
            rates=_read_rates(answer["rates"]),
            cpus=max(1, int(answer["cpus"])),
            tls=bool(answer["tls"]),
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ProtocolError(f"its introduction is wrong: {error!r}") from error
    if not all(0 < rate < _MOST_RATE for rate in introduction.rates.values()):
        raise ProtocolError(f"its introduction is wrong: rates {introduction.rates}")
    return introduction


def _read_rates(rates: dict[str, Any]) -> dict[str, float]:
    names = [*ALGORITHMS, KEYED] if KEYED in rates else ALGORITHMS
    return {name: float(rates[name]) for name in names}


def read_count(message: dict[str, Any], name: str) -> int:
    """A number of bytes. Raises ProtocolError where it is none."""
    count = message.get(name)
    if not isinstance(count, int) or not 0 <= count < 1 << 63:
        raise ProtocolError(f"{name} is {count!r}")
    return count
