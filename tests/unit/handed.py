"""What a process gets that something is handed over to."""

import os
from typing import TypeVar

from coriolis import handover

Thing = TypeVar("Thing")


def handed_over(thing: Thing) -> Thing:
    incoming, outgoing = os.pipe()
    try:
        os.write(outgoing, handover.pack(thing))  # far less than a pipe holds
        return handover.receive(incoming, type(thing))
    finally:
        os.close(incoming)
        os.close(outgoing)
