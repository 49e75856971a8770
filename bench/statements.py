"""How many statements a process sends to the database, by verb and table."""

import re
from collections import Counter
from typing import Any

import sqlalchemy as sa

_TABLE = re.compile(r"\b(?:from|into|update)\s+[\"`]?(\w+)", re.IGNORECASE)


class StatementCounter:
    """Counts on every engine of this process, from `start()` on. Transactions count as COMMIT."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._counting = False
        sa.event.listen(sa.Engine, "before_cursor_execute", self._executed)
        sa.event.listen(sa.Engine, "commit", self._committed)

    def start(self) -> None:
        self.counts.clear()
        self._counting = True

    def _executed(self, _connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if not self._counting:
            return
        words = statement.split(None, 1)
        verb = words[0].upper() if words else "?"
        table = _TABLE.search(statement)
        self.counts[f"{verb} {table.group(1)}" if table else verb] += 1

    def _committed(self, _connection: Any) -> None:
        if self._counting:
            self.counts["COMMIT"] += 1
