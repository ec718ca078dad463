"""The gateway's transport compression, as requested by the client."""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Callable
from typing import Any

Squeeze = Callable[[bytes], bytes]


def compressor(asked: str | None) -> Squeeze | None:
    """The function that compresses each payload of one connection; None without compression.

    Raises ValueError for a compression that the gateway does not have.

    Raises ValueError for a compression that the gateway does not have.
    """
    if asked is None:
        return None
    if asked == "zlib-stream":
        return _zlib()
    if asked == "zstd-stream":
        return _zstd()
    raise ValueError(f"compress={asked}")


def _zlib() -> Squeeze:
    stream = zlib.compressobj()
    return lambda data: stream.compress(data) + stream.flush(zlib.Z_SYNC_FLUSH)


def _zstd() -> Squeeze:
    """discord.py requests zstd only if it finds one of these two modules, so one of them is installed."""
    try:
        library: Any = importlib.import_module("compression.zstd")
    except ModuleNotFoundError:
        library = importlib.import_module("zstandard")
        stream = library.ZstdCompressor().compressobj()
        flush = library.COMPRESSOBJ_FLUSH_BLOCK
        return lambda data: bytes(stream.compress(data) + stream.flush(flush))
    compress = library.ZstdCompressor()
    return lambda data: bytes(compress.compress(data, mode=compress.FLUSH_BLOCK))
