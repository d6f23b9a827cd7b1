"""What went wrong, bounded, as `status.error` and as `payload.details` (contract: envelope, The error envelope).

Used by status and failure, made by the sidecar from a runtime's answer or from its own finding.
Must always encode to strict JSON, whatever texts it was made of.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ErrorInfo:
    """`mro` lists the ancestors of `type`; `code` and `path` belong to a refused message. Not yet bounded."""

    type: str
    message: str
    mro: tuple[str, ...] = ()
    traceback: str | None = None
    code: str | None = None
    path: str | None = None

    def details(self) -> bytes:
        """JSON text of `payload.details`."""
        raise NotImplementedError

    def status_error(self) -> bytes:
        """JSON text of `status.error`."""
        raise NotImplementedError
