"""Open the mesh file: tables, settings of the connection, and what a reboot does to times.

Called by `store` alone. Times in the file are milliseconds of the monotonic clock, which all processes of a machine share and which no
clock change touches; it begins anew at every boot, so the file remembers the boot it was used in and is converted once after the next.
"""

from __future__ import annotations

import sqlite3
import subprocess
import time
from pathlib import Path
from typing import Final

from asya_transport.admin import Unreachable

VERSION: Final = 2
APPLICATION_ID: Final = 0x41535941  # "ASYA": what `file` and we recognise the file by
OLDEST_SQLITE: Final = (3, 35, 0)  # RETURNING
BUSY_TIMEOUT_S: Final = 1.0  # writers of ours take turns before; this waits for foreign programs only
PAGE_BYTES: Final = (
    4_096  # each is summed up and written whole for a row of it: with 16,384 a small hop costs a tenth more
)
CHECKPOINT_PAGES: Final = 4000  # 16 MB of log before it is folded into the file
LOG_KEPT_BYTES: Final = 64 * 1024 * 1024  # a log that a burst made longer is cut to this

# message: small and often rewritten, so the body (never rewritten) has a table of its own.
#   owner   the lease it is under, or NULL      due   when a delayed one becomes ready (NULL: it is), due_wall the same by the wall clock
# large_body: instead of body, the name of the file that holds it (`bodies`).
# owner: one row per generation of one consumer; `until` is the end of the lease of all it holds, `bell` tells whether it lives.
_TABLES = """
CREATE TABLE queue (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, dead_letter TEXT);
CREATE TABLE owner (id INTEGER PRIMARY KEY, queue INTEGER NOT NULL, bell TEXT NOT NULL, until INTEGER NOT NULL);
CREATE TABLE message (
  id INTEGER PRIMARY KEY, queue INTEGER NOT NULL, owner INTEGER, due INTEGER, due_wall REAL,
  deliveries INTEGER NOT NULL DEFAULT 0, redelivered INTEGER NOT NULL DEFAULT 0,
  message_id TEXT, trace_id TEXT, sender TEXT);
CREATE TABLE body (id INTEGER PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE large_body (id INTEGER PRIMARY KEY, file TEXT NOT NULL);
CREATE INDEX ready ON message (queue) WHERE owner IS NULL AND due IS NULL;
CREATE INDEX held ON message (owner) WHERE owner IS NOT NULL;
CREATE INDEX delayed ON message (queue, due) WHERE due IS NOT NULL;
CREATE TABLE meta (boot TEXT NOT NULL, probe INTEGER NOT NULL);
"""


def now_ms() -> int:
    """The clock of the file."""
    return int(time.monotonic() * 1000)


def boot_id() -> str:
    """Differs after every start of the machine."""
    linux = Path("/proc/sys/kernel/random/boot_id")
    if linux.exists():
        return linux.read_text().strip()
    answer = subprocess.run(["sysctl", "-n", "kern.bootsessionuuid"], capture_output=True, text=True, check=True)
    return answer.stdout.strip()


def connect(path: Path, *, create: bool, max_pages: int | None = None) -> sqlite3.Connection:
    """An open connection to a file that is certainly ours.

    Raises:
        Unreachable: no such file (and not `create`), not a mesh file, another version, SQLite too old.
        sqlite3.Error: it cannot be opened, read or written.
    """
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise Unreachable(f"SQLite {sqlite3.sqlite_version} is too old for the local mesh: 3.35 or newer is needed")
    if not create and not path.exists():
        raise Unreachable(f"there is no mesh file {path}; `asya up` makes it")
    mode = "rwc" if create else "rw"
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=BUSY_TIMEOUT_S,
        isolation_level=None,
        check_same_thread=False,  # made in one thread, used in one thread at a time: `worker` sees to it
    )
    try:
        _prepare(connection, path, create, max_pages)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path, create: bool, max_pages: int | None) -> None:
    if create:
        _make(connection)
    application, version = _pragma(connection, "application_id"), _pragma(connection, "user_version")
    if not application and not _pragma(connection, "schema_version"):
        raise Unreachable(f"{path} is empty; `asya up` makes its tables")
    if application != APPLICATION_ID:
        raise Unreachable(f"{path} is not a mesh file; choose another path, or move it away and let `asya up` make one")
    if version != VERSION:
        raise Unreachable(
            f"{path} has format {version}, this program reads {VERSION}; finish its work with the program that made it"
        )
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
    connection.execute(f"PRAGMA journal_size_limit = {LOG_KEPT_BYTES}")
    # Debian's SQLite overwrites what it deletes with zeros unless told not to: that would write every body twice.
    connection.execute("PRAGMA secure_delete = OFF")
    connection.execute("PRAGMA temp_store = MEMORY")
    if max_pages is not None:
        connection.execute(f"PRAGMA max_page_count = {max_pages}")
    _after_boot(connection)


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


def _make(connection: sqlite3.Connection) -> None:
    """Give an empty file its tables; a file that has any is left as it is."""
    if _pragma(connection, "application_id") or _pragma(connection, "schema_version"):
        return
    connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("BEGIN IMMEDIATE")
    try:
        if not _pragma(connection, "application_id"):
            for statement in _TABLES.split(";"):
                connection.execute(statement)
            connection.execute("INSERT INTO meta VALUES (?, 0)", (boot_id(),))
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _after_boot(connection: sqlite3.Connection) -> None:
    """After a reboot no lease has an owner, and waits are measured by the new clock."""
    boot = boot_id()
    if connection.execute("SELECT boot FROM meta").fetchone()[0] == boot:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        if connection.execute("SELECT boot FROM meta").fetchone()[0] != boot:
            connection.execute(
                "UPDATE owner SET until = 0"
            )  # expired: the next look at each queue returns what they held
            now, wall = now_ms(), time.time()
            connection.execute(
                "UPDATE message SET due = ? + CAST(max(0, due_wall - ?) * 1000 AS INTEGER) WHERE due IS NOT NULL",
                (now, wall),
            )
            connection.execute("UPDATE meta SET boot = ?", (boot,))
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
