"""The domain: frozen dataclasses and enums. No I/O; imports nothing else of ours."""
