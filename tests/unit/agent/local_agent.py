"""An agent as a subprocess of the tests, started as a worker would start it."""

import subprocess
import sys
from pathlib import Path
from typing import Any

from coriolis import agent
from coriolis.agent import frames
from coriolis.agent.frames import Geometry
from coriolis.agent.pipes import FrameStream, write_all
from coriolis.workers import remote_python

LEAF = 65536
SEAL_KEY = b"k" * frames.SEAL_KEY_BYTES


class LocalAgent:
    def __init__(self, python: str = sys.executable) -> None:
        self.process = subprocess.Popen(
            [python, "-c", remote_python.BOOT],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
        )
        assert self.process.stdin
        assert self.process.stdout
        self.stream = FrameStream(self.process.stdout.fileno(), self.process.stdin.fileno())
        write_all(self.stream.outgoing, [remote_python.bundle(agent.__name__, agent.ORDER, "main")])

    def hello(self, role: str, path: Path | str, size: int, **more: Any) -> dict[str, Any]:
        base = {"role": role, "serial": str(path), "size": size, "leaf": LEAF, "wait": 0}
        fence = {"scope": "tests", "disk": str(path), "token": 1}
        self.stream.send_json(frames.HELLO, {**base, **fence, **more})
        answer = self.stream.receive_json(frames.HELLO)
        self.stream.geometry = Geometry(size, LEAF)
        return answer

    def begin(self, **orders: Any) -> None:
        self.stream.send_json(
            frames.HELLO, {"threads": 2, "algorithm": "sha256", "seal": SEAL_KEY.hex(), **orders}
        )
        self.stream.seal_key = SEAL_KEY

    def error(self) -> dict[str, Any]:
        """The ERROR it ends with, after anything else."""
        from coriolis.agent.pipes import read_exactly

        while True:
            header = self.stream.receive_header()
            payload = read_exactly(self.stream.incoming, header.wire)
            if header.kind == frames.ERROR:
                return frames.parse_json(payload)

    def end(self) -> int:
        assert self.process.stdin
        self.process.stdin.close()
        status = self.process.wait(20)
        for pipe in (self.process.stdout, self.process.stderr):
            assert pipe
            pipe.close()
        return status
