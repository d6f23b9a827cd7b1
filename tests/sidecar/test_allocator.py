"""Freed memory is kept for the next message."""

import platform
import subprocess
import sys

PROGRAM = """
import resource
from asya_sidecar.act.allocator import keep_freed_memory
if {advised}:
    keep_freed_memory()
for _ in range(20):
    parts = [bytes(1_000_000) for _ in range(8)]
    del parts
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(100):
    parts = [bytes(1_000_000) for _ in range(8)]
    del parts
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(advised: bool) -> int:
    program = PROGRAM.format(advised=advised)
    return int(subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True).stdout)


def test_large_bodies_do_not_fault_their_pages_in_again() -> None:
    assert platform.libc_ver()[0] == "glibc", "on another C library the sidecar works as well, only slower"
    assert page_faults(advised=True) * 10 < page_faults(advised=False)
