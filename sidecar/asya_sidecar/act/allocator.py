"""Tell the C library to keep freed memory for the next message.

Called by `__main__` once. A hop with a payload of 1 MB frees and takes some ten megabytes; by default glibc gives them
back to the system each time, and zeroing the pages again costs a fifth of the hop. The price: up to KEPT_BYTES stay
with the process after a large message. Must do nothing where the library is another one.
"""

import ctypes
from typing import Final

KEPT_BYTES: Final = 33_554_432
# From <malloc.h>.
M_TRIM_THRESHOLD: Final = -1
M_MMAP_THRESHOLD: Final = -3


def keep_freed_memory() -> bool:
    """True when the library took the advice."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(M_MMAP_THRESHOLD, KEPT_BYTES) and mallopt(M_TRIM_THRESHOLD, KEPT_BYTES))
