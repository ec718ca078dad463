"""Memory allocator tuning: glibc returns the memory of decoded pictures to the system as soon as it is freed."""

from __future__ import annotations

import ctypes

LARGE = 1 << 20
"""Blocks of at least this many bytes get memory of their own, which is returned when they are freed."""

_MMAP_THRESHOLD = -3  # M_MMAP_THRESHOLD of <malloc.h>


def return_large_blocks() -> bool:
    """Make the allocator return large blocks. False if the C library is not glibc: then nothing is changed.

    By default, glibc raises the limit with the first large block that is freed. From then on, pictures share the heaps
    of threads with small objects, and those keep the memory of freed pictures from being returned.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    mallopt.argtypes, mallopt.restype = (ctypes.c_int, ctypes.c_int), ctypes.c_int
    return bool(mallopt(_MMAP_THRESHOLD, LARGE))
