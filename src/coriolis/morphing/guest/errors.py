"""How the guest-side program stops early."""


class MorphFailure(Exception):
    """The guest cannot be morphed; the text tells a person why."""


class Interrupted(BaseException):
    """A signal came or the conductor hung up: unmount everything and leave. No fault, so not an Exception."""
