"""msgspec and structlog without what they load for features that a sidecar never uses.

Imported first by `__main__`, and by act/logs.py. Both libraries try to import another one and go on without it:
typing_extensions costs 3 MB and 20 ms, rich 10 MB and 150 ms, in every sidecar of the mesh. They are hidden while the
two are loaded and can be loaded afterwards (OpenTelemetry needs the first).
"""

import sys

HIDDEN = tuple(name for name in ("rich", "typing_extensions") if name not in sys.modules)
for name in HIDDEN:
    sys.modules[name] = None  # type: ignore[assignment]  # Python's way to say "not to be imported"

import msgspec  # noqa: E402 - while the others are hidden
import structlog  # noqa: E402 - as above

for name in HIDDEN:
    del sys.modules[name]

__all__ = ["msgspec", "structlog"]
