"""Large blocks get memory of their own, which is returned when they are freed."""

from __future__ import annotations

import subprocess
import sys

import pytest

# Once a large block was freed, glibc would place later ones of its size in a heap.
PROGRAM = """
import ctypes
from bot.malloc_tuning import LARGE, return_large_blocks
c = ctypes.CDLL(None)
c.malloc.restype, c.malloc.argtypes, c.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
class Info(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int) for name in ("arena", "ordblks", "smblks", "hblks", *"abcdef")]
c.mallinfo.restype = Info
{tuned}
c.free(c.malloc(8 * LARGE))
before = c.mallinfo().hblks
block = c.malloc(4 * LARGE)
print(c.mallinfo().hblks - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc is on Linux only")
@pytest.mark.parametrize(("tuned", "own"), [("", "0"), ("assert return_large_blocks()", "1")])
def test_a_large_block_gets_memory_of_its_own(tuned: str, own: str) -> None:
    program = PROGRAM.replace("{tuned}", tuned)
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)  # noqa: S603 - fixed words
    assert ran.stdout.strip() == own
