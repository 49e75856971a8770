"""What the conductor may say to an agent at work. The end of its stdin ends the process wherever it is."""

import os
import threading
from typing import Any, Callable, Dict

from coriolis.agent import frames
from coriolis.agent.bucket import Bucket
from coriolis.agent.frames import ProtocolError
from coriolis.agent.outlet import Outlet
from coriolis.agent.pipes import FrameStream, StreamClosedError
from coriolis.agent.tls import RouteClosedError, RouteError

EXIT_CLOSED = 3


def end_with_session(control: FrameStream) -> None:
    """From now on nothing is to come on stdin but its end."""

    def watch() -> None:
        os.read(control.incoming, 1)
        os._exit(EXIT_CLOSED)

    threading.Thread(target=watch, daemon=True).start()


def obey(outlet: Outlet, pace: Bucket, fail: Callable[[BaseException], None]) -> None:
    """From now on ACK (of EXPECT), BARRIER and LIMIT frames may come. `fail` is given what goes wrong with them,
    and ends the process.
    """

    def listen() -> None:
        try:
            while True:
                _obey_one(outlet, pace)
        except StreamClosedError:
            os._exit(EXIT_CLOSED)
        except (
            ProtocolError,
            RouteError,
            RouteClosedError,
            OSError,
            KeyError,
            ValueError,
            TypeError,
        ) as error:
            fail(error)

    threading.Thread(target=listen, daemon=True).start()


def _obey_one(outlet: Outlet, pace: Bucket) -> None:
    header = outlet.control.receive_header()
    if header.kind == frames.ACK:
        outlet.horizon.grant(header.offset, header.raw)
    elif header.kind == frames.BARRIER:
        outlet.control.receive_sealed(header)
        outlet.barrier(header.seq)
    elif header.kind == frames.LIMIT:
        pace.set_rate(read_limit(frames.parse_json(outlet.control.read_exactly(header.wire))))
    else:
        raise ProtocolError(f"a reader takes no frame of kind {header.kind} now")


def read_limit(message: Dict[str, Any]) -> float:
    """Bytes a second, 0 for none."""
    rate = float(message["read"])
    if not 0 <= rate < float("inf"):
        raise ProtocolError(f"no rate: {rate}")
    return rate
