"""One line for each thing that is done, with the seconds since the command began."""

import time

_BEGAN = time.monotonic()


def say(text: str) -> None:
    print(f"[{time.monotonic() - _BEGAN:5.0f} s] {text}", flush=True)


class TestbedError(Exception):
    """What went wrong, in words for the person at the terminal."""

    __test__ = False  # pytest takes the name for a test
