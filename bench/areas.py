"""Where a process' CPU time goes, by area: whose code it is that runs."""

from collections import defaultdict
from pathlib import Path

import yappi

import coriolis

_OURS = str(Path(coriolis.__file__).parent)
_AREAS = (
    ("/taskflow/", "TaskFlow"),
    ("/networkx/", "TaskFlow: networkx"),  # the graph of a flow
    ("/automaton/", "TaskFlow: automaton"),
    ("/fasteners/", "TaskFlow: fasteners"),
    ("/futurist/", "TaskFlow: futurist"),
    ("/sqlalchemy/", "SQLAlchemy"),
    ("/pymysql/", "driver"),
    ("/psycopg", "driver"),
    ("/pydantic", "pydantic"),
    ("/oslo_messaging/", "messaging"),
    ("/kombu/", "messaging"),
    ("/amqp/", "messaging"),
    ("/cryptography/", "cryptography"),
    ("/lib/python3.", "standard library"),  # last: site-packages lie below it too
)
_DRIVER_BUILTINS = ("sqlite3.", "Connection.", "Cursor.")


def start() -> None:
    yappi.set_clock_type("cpu")
    yappi.start(builtins=True)


def stop() -> dict[str, float]:
    """CPU seconds by area. A builtin is charged to the area that called it, but for the database's own."""
    yappi.stop()
    seconds: defaultdict[str, float] = defaultdict(float)
    for function in yappi.get_func_stats():
        if not function.builtin:
            area = _area(function.module)
            seconds[area] += function.tsub
            for child in function.children:
                if child.builtin:
                    seconds[
                        "driver" if child.name.startswith("<method") and _is_driver(child.full_name) else area
                    ] += child.tsub
    return dict(sorted(seconds.items(), key=lambda item: -item[1]))


def hottest(count: int = 25) -> list[tuple[str, int, float]]:
    """(function, calls, own CPU seconds) of those that take most."""
    stats = sorted(yappi.get_func_stats(), key=lambda function: -function.tsub)
    return [(function.full_name, function.ncall, function.tsub) for function in stats[:count]]


def _is_driver(name: str) -> bool:
    return any(f"'{kind}" in name or kind in name for kind in _DRIVER_BUILTINS)


def _area(module: str) -> str:
    if module.startswith(_OURS):
        package = Path(module).relative_to(_OURS).parts[0].removesuffix(".py")
        return f"ours: {package}"
    marks = _AREAS[:-1] if "-packages/" in module else _AREAS
    return next((area for mark, area in marks if mark in module), "other libraries")
