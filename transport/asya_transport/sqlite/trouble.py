"""What an error of SQLite means to the people who run a mesh.

Pure. Called by `worker` and `admin`.
"""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # of a file that `bodies` writes

# Primary result code -> meaning and next step.
_MEANING = {
    sqlite3.SQLITE_FULL: "the disk is full; free some space",
    sqlite3.SQLITE_BUSY: "another program keeps the file locked; close it",
    sqlite3.SQLITE_READONLY: "the file or its folder cannot be written; check the rights",
    sqlite3.SQLITE_CANTOPEN: "the file or its folder cannot be opened; check that it exists and the rights",
    sqlite3.SQLITE_CORRUPT: "the file is damaged; stop the mesh, move it away, and start again",
    sqlite3.SQLITE_NOTADB: "this is not a mesh file; move it away, and start again",
    sqlite3.SQLITE_IOERR: "the disk does not work; check it",
}


def code(error: BaseException) -> int:
    """Its primary result code; 0 when it has none."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def is_full(error: BaseException) -> bool:
    """The disk, or the file's own limit, is full: nothing was stored."""
    return code(error) == sqlite3.SQLITE_FULL or getattr(error, "errno", None) in _FULL


def sentence(error: BaseException, path: Path) -> str:
    """For a log line: the file, what it means, the next step."""
    if isinstance(error, OSError) and is_full(error):
        return f"{path}: {_MEANING[sqlite3.SQLITE_FULL]} ({error})"
    if not isinstance(error, sqlite3.Error):
        return str(error) or type(error).__name__
    return f"{path}: {_MEANING.get(code(error), 'SQLite cannot go on')} ({error})"
