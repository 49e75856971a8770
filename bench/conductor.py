"""A conductor under measurement: `python -m bench.conductor SETTINGS_FILE`.

Lines on stdin tell it what to do: `go` starts it, `submit N SECONDS` queues N jobs one after another with that
pause (embedded only: there the process that takes the request is the one that runs the job) and answers with
their execution ids; the end of stdin stops it, and it answers with what it counted, as JSON.
"""

import json
import logging
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

from bench import noop
from bench.statements import StatementCounter
from coriolis.config import load_settings
from coriolis.engine.registry import StepRegistry
from coriolis.engine.service import Engine


def main() -> None:
    logging.basicConfig(level=logging.ERROR)
    profiled = os.environ.get("BENCH_PROFILE") == "1"
    counter = StatementCounter()
    engine = Engine(load_settings(Path(sys.argv[1])), steps=StepRegistry(noop.STEPS))
    _say("ready")
    report: dict[str, Any] = {}
    started = 0.0
    for line in sys.stdin:
        verb, *words = line.split()
        if verb == "go":
            if profiled:
                from bench import areas

                areas.start()
            counter.start()
            started = _cpu_seconds()
            engine.__enter__()
        elif verb == "submit":
            _say(json.dumps(_submit(engine, words[0], int(words[1]), float(words[2]))))
    if profiled:
        report |= {"areas": areas.stop(), "hottest": areas.hottest()}
    report |= {"statements": dict(counter.counts), "cpu": _cpu_seconds() - started}
    _say(json.dumps(report))
    engine.__exit__(None, None, None)


def _submit(engine: Engine, transfer_id: str, count: int, pause: float) -> dict[str, float]:
    """Execution to the wall clock when its job was committed."""
    queued: dict[str, float] = {}
    for _ in range(count):
        execution_id, moment = noop.submit(engine.database, transfer_id)
        engine.conductor.wake()
        queued[execution_id] = moment
        time.sleep(pause)
    return queued


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
