"""How a worker keeps the memory that every step asks for again.

A step allocates and frees the same few large tensors. By default glibc gives each of them back to
the system and asks for it anew, and the system clears it page by page at the first touch: on a
virtual machine a tenth of the time of Nanda's network went there.
"""

import ctypes

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
"""Names of glibc's `malloc.h`."""
_NEVER = 2**31 - 1


def keep_memory() -> bool:
    """Let freed memory stay with this process while it lives; false where glibc is not."""
    try:
        tell = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(tell(_M_MMAP_MAX, 0)) and bool(tell(_M_TRIM_THRESHOLD, _NEVER))
