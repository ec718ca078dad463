"""Text inside an image file: where the tools around Stable Diffusion look for the prompt and the settings.

A PNG gets a text chunk and keeps every other byte as it was; nothing is decoded or encoded anew.
"""

from __future__ import annotations

import io
import json
import struct
import zlib
from collections.abc import Iterator, Mapping
from typing import BinaryIO

from bot.display.splicing import Piece
from bot.generation.prompt import number_text
from bot.providers.base import Bounds, Engine, ImageRequest, WeightedText
from storage.jobs import StoredImage

KEYWORD = "parameters"
"""The name that those tools gave to the chunk."""

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_TEXT_CHUNKS = frozenset({b"tEXt", b"zTXt", b"iTXt"})
# Length, kind and checksum, beside what is in the chunk; an iTXt has five bytes of its own.
_OVERHEAD = 12 + len(KEYWORD) + 5

# The names that those tools know the samplers by.
_SAMPLERS: Mapping[str, str] = {
    "K_DPMPP_2M": "DPM++ 2M",
    "K_DPMPP_2S_ANCESTRAL": "DPM++ 2S a",
    "K_DPM_2": "DPM2",
    "K_DPM_2_ANCESTRAL": "DPM2 a",
    "K_EULER": "Euler",
    "K_EULER_ANCESTRAL": "Euler a",
    "K_HEUN": "Heun",
    "K_LMS": "LMS",
}


def parameters(request: ImageRequest, image: StoredImage, engine: Engine | None) -> str:
    """Prompt, negative prompt and settings of an image, in the lines that the common tools read.

    ``engine`` is None where it is no longer offered; what it would have taken by default is not known then.
    """
    wanted = [_part(part) for part in request.prompts if part.weight > 0]
    unwanted = [
        request.negative or "",
        *(_part(WeightedText(p.text, -p.weight)) for p in request.prompts if p.weight < 0),
    ]
    lines = [", ".join(wanted)]
    if negative := ", ".join(text for text in unwanted if text):
        lines.append(f"Negative prompt: {negative}")
    lines.append(", ".join(f"{name}: {_quoted(value)}" for name, value in _settings(request, image, engine)))
    return "\n".join(lines)


def room_for(text: str) -> int:
    """How many bytes :func:`with_text` adds to a PNG, at most."""
    return _OVERHEAD + len(text.encode())


def with_text(stream: BinaryIO, text: str) -> tuple[Piece, ...]:
    """The PNG with the text in it, in place of any that it had under the same name: new bytes and places in the stream.

    Raises ValueError where the stream does not hold the chunks of a PNG.
    """
    chunks = list(_chunks(stream))
    if not chunks or chunks[0][0] != b"IHDR":
        raise ValueError("a PNG begins with its header")
    (_, header), *others = chunks
    pieces: list[Piece] = [range(header.stop), _chunk(text)]
    for kind, places in others:
        if kind in _TEXT_CHUNKS and _read(stream, places[8 : 8 + len(_name())]) == _name():
            continue
        last = pieces[-1]
        if isinstance(last, range) and last.stop == places.start:
            pieces[-1] = range(last.start, places.stop)
        else:
            pieces.append(places)
    return tuple(pieces)


def exif(text: str) -> bytes:
    """The text as the user comment of an Exif block, where images of other types carry it."""
    from PIL import Image

    block = Image.Exif()
    # The numbers of the Exif part and of its user comment.
    block.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + text.encode("utf-16-be")
    return block.tobytes()


def _part(part: WeightedText) -> str:
    if part.weight == 1:
        return part.text
    inside = part.text.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")
    return f"({inside}:{number_text(part.weight)})"


def _settings(request: ImageRequest, image: StoredImage, engine: Engine | None) -> Iterator[tuple[str, str]]:
    steps = request.steps if request.steps is not None else _default(engine.steps if engine else None)
    guidance = request.guidance if request.guidance is not None else _default(engine.guidance if engine else None)
    seed = image.seed if image.seed is not None else request.seed
    if steps is not None:
        yield "Steps", number_text(steps)
    if request.sampler:
        yield "Sampler", _SAMPLERS.get(request.sampler, request.sampler)
    if guidance is not None:
        yield "CFG scale", number_text(guidance)
    if seed is not None:
        yield "Seed", str(seed)
    yield "Size", f"{image.width}x{image.height}"
    yield "Model", request.engine.partition("/")[2]
    if request.style:
        yield "Style", request.style
    # Three of these make a line of settings for those who read it.
    yield "Version", "Easel"


def _default(bounds: Bounds | None) -> float | None:
    return None if bounds is None else bounds.default


def _quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False) if any(sign in value for sign in ",:\n") else value


def _name() -> bytes:
    return KEYWORD.encode() + b"\0"


def _chunk(text: str) -> bytes:
    try:
        kind, body = b"tEXt", _name() + text.encode("latin-1")
    except UnicodeEncodeError:
        # Not compressed, in no particular language, under no translated name.
        kind, body = b"iTXt", _name() + b"\0\0\0\0" + text.encode()
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _chunks(stream: BinaryIO) -> Iterator[tuple[bytes, range]]:
    """The kind and the places of each chunk; what stands behind the last one belongs to no chunk and is left out."""
    size = stream.seek(0, io.SEEK_END)
    if _read(stream, range(len(_SIGNATURE))) != _SIGNATURE:
        raise ValueError("not a PNG")
    position = len(_SIGNATURE)
    while position < size:
        head = _read(stream, range(position, position + 8))
        end = position + 12 + int.from_bytes(head[:4])
        if end > size:
            raise ValueError("a PNG that ends within a chunk")
        kind = head[4:]
        yield kind, range(position, end)
        if kind == b"IEND":
            return
        position = end


def _read(stream: BinaryIO, places: range) -> bytes:
    stream.seek(places.start)
    return stream.read(len(places))
