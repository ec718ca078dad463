"""Text inside an image file: where the tools around Stable Diffusion look for the prompt and the settings.

A PNG gets a text chunk and keeps every other byte as it was; nothing is decoded or encoded anew.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator, Mapping

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


def with_text(data: bytes, text: str) -> bytes:
    """The PNG with the text in it, in place of any that it had under the same name.

    Raises ValueError where the bytes are not the chunks of a PNG.
    """
    chunks = list(_chunks(data))
    if not chunks or chunks[0][0] != b"IHDR":
        raise ValueError("a PNG begins with its header")
    kept = [whole for kind, whole in chunks[1:] if not (kind in _TEXT_CHUNKS and whole[8:].startswith(_name()))]
    return b"".join((_SIGNATURE, chunks[0][1], _chunk(text), *kept))


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


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The kind and the whole of each chunk; what stands behind the last one belongs to no chunk and is left out."""
    if not data.startswith(_SIGNATURE):
        raise ValueError("not a PNG")
    position = len(_SIGNATURE)
    while position < len(data):
        if position + 12 > len(data):
            raise ValueError("a PNG that ends within a chunk")
        (length,) = struct.unpack_from(">I", data, position)
        end = position + 12 + length
        if end > len(data):
            raise ValueError("a PNG that ends within a chunk")
        kind = data[position + 4 : position + 8]
        yield kind, data[position:end]
        if kind == b"IEND":
            return
        position = end
