"""The log of a server process: one format, to standard error, where systemd and containers take it from."""

import logging
import warnings

from coriolis.config import Settings

_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def configure(settings: Settings) -> None:
    """Of libraries only warnings: at their lower levels some of them log requests with secrets in them."""
    root = logging.getLogger()
    if not root.handlers:
        root.addHandler(logging.StreamHandler())
    for handler in root.handlers:
        handler.setLevel(logging.NOTSET)
        handler.setFormatter(logging.Formatter(_FORMAT))
    root.setLevel(logging.WARNING)
    logging.getLogger("coriolis").setLevel(logging.DEBUG if settings.default.debug else logging.INFO)


def expect_eventlet() -> None:
    """Before the engine is imported: where eventlet is installed, oslo.utils imports it, which tells everybody at every
    start that it is deprecated. Nothing of ours runs on it."""
    warnings.filterwarnings("ignore", message=r"\s*Eventlet is deprecated")
