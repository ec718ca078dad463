"""Embeds prompt and settings of an image in its file, where Stable Diffusion tools read them.

A PNG gets a text chunk; a JPEG and a WebP get an Exif block with the text as its user comment. All other bytes stay the
same: nothing is decoded or re-encoded. Functions that read a stream block.
"""

from __future__ import annotations

import json
import re
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import BinaryIO

import structlog

from bot.domain.options import HIGH_RES, OPTIONS, SIZE
from bot.domain.pictures import SourceKind
from bot.domain.values import value_text
from bot.jobs.made_from import MadeFrom
from bot.pictures.image_parts import jpeg_segments, png_chunks, read, webp_chunks
from bot.providers.base import Engine, ImageRequest, WeightedText
from bot.providers.operations import Size
from bot.ui.delivery.file_segments import Piece
from storage.records import StoredImage

log = structlog.get_logger(__name__)

KEYWORD = "parameters"
"""The key of the PNG chunk that those tools read."""
UNKNOWN = "unknown"
"""Replaces an unknown value that readers require."""

# Readers expect these settings first, in this order.
_FIRST = ("steps", "sampler", "scheduler", "guidance", "seed", "size")
# Readers end the prompt at these words.
_NEGATIVE = re.compile(r"(negative prompt)(:)", re.IGNORECASE)
# The samplers' names in those tools.
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

_SOURCES: Mapping[SourceKind, str] = {
    SourceKind.ATTACHED: "attached picture",
    SourceKind.MESSAGE: "picture in a message",
    SourceKind.RESULT: "earlier image",
    SourceKind.MASK: "attached picture",
}

_TEXT_CHUNKS = frozenset({b"tEXt", b"zTXt", b"iTXt"})
_NAME = KEYWORD.encode() + b"\0"

_EXIF_IFD, _USER_COMMENT = 0x8769, 0x9286
_EXIF_HEAD = b"Exif\0\0"
_APP0, _APP1 = 0xE0, 0xE1
_SEGMENT_AT_MOST = 0xFFFF - 2
# Flags of a VP8X chunk.
_HAS_ALPHA, _HAS_EXIF = 0x10, 0x08


def parameters(
    request: ImageRequest, image: StoredImage, engine: Engine | None, made_from: MadeFrom | None = None
) -> str:
    """Prompt, negative prompt and settings of an image, in the line format of the common tools.

    ``engine`` is None if it is no longer offered. Its defaults are then unknown. ``made_from`` is the picture that the
    image was made from.
    """
    wanted = [_part(part) for part in request.prompts if part.weight > 0]
    unwanted = [
        request.negative or "",
        *(_part(WeightedText(p.text, -p.weight)) for p in request.prompts if p.weight < 0),
    ]
    lines = [_plain(", ".join(wanted))] if wanted else []
    if negative := ", ".join(text for text in unwanted if text):
        lines.append(f"Negative prompt: {_plain(negative)}")
    able = None if engine is None else engine.doing(request.operation)
    settings = [*_settings(request, image, able), *_edit(request, made_from), ("Version", "Easel")]
    lines.append(", ".join(f"{name}: {_quoted(value)}" for name, value in settings))
    return "\n".join(lines)


def _part(part: WeightedText) -> str:
    if part.weight == 1:
        return part.text
    inside = part.text.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")
    return f"({inside}:{value_text(part.weight)})"


def _settings(request: ImageRequest, image: StoredImage, engine: Engine | None) -> Iterator[tuple[str, str]]:
    """The name and the value of each setting."""
    size = Size(image.width, image.height)
    again = request.high_res is not None and size == request.result_size
    # Readers multiply the size of the first pass.
    values: dict[str, str] = {SIZE.name: str(request.size if again else size)}
    for option in OPTIONS.values():
        value = getattr(request, option.name)
        if value is None and engine is not None and (bounds := option.bounds(engine)) is not None:
            value = bounds.default
        if value is not None and option.png_name:
            values.setdefault(option.name, value_text(value))
    if not again:
        values.pop(HIGH_RES.name, None)  # The service made no second pass, or one of another size.
    if image.seed is not None:
        values["seed"] = str(image.seed)
    values["sampler"] = _SAMPLERS.get(values.get("sampler", ""), values.get("sampler", UNKNOWN))
    values.setdefault("seed", UNKNOWN)
    # Readers recognise this line by the sampler and at least two of steps, schedule, scale and seed.
    if "steps" not in values and "guidance" not in values:
        values.setdefault("scheduler", UNKNOWN)
    for name in _FIRST:
        if name in values:
            yield OPTIONS[name].png_name, values.pop(name)
    yield "Model", request.engine.partition("/")[2]
    for name, text in values.items():
        yield OPTIONS[name].png_name, text


def _edit(request: ImageRequest, made_from: MadeFrom | None) -> Iterator[tuple[str, str]]:
    """What was done to a picture, and which one it was."""
    if not request.operation.has_source:
        return
    yield "Operation", request.operation.value.replace("_", " ")
    if request.search is not None:
        yield "Replaced", request.search
    if request.area is not None or request.mask is not None:
        yield "Area", request.area or "mask"
    if request.margins is not None:
        yield "Extended by", " ".join(f"{side} {pixels}" for side, pixels in asdict(request.margins).items() if pixels)
    if request.scale is not None:
        yield "Postprocess upscale by", str(request.scale)
    if made_from is not None and made_from.job is not None:
        yield "Source", f"job {made_from.job.id} image {made_from.number}"
    elif made_from is not None:
        yield "Source", _SOURCES[made_from.kind]


def _plain(text: str) -> str:
    """Remove words that readers would mistake for the next line."""
    return _NEGATIVE.sub(r"\1 \2", text)


def _quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False) if any(sign in value for sign in ",:\n") else value


def with_text(stream: BinaryIO, media_type: str, text: str) -> tuple[Piece, ...]:
    """Embed the text in the image, replacing an earlier one. Returns new bytes and ranges of the stream.

    Raises ValueError if the stream is no valid image of this type, or has no room for the text.
    """
    return {"image/png": _png, "image/jpeg": _jpeg, "image/webp": _webp}[media_type](stream, text)


def exif(text: str, before: bytes = b"") -> bytes:
    """An Exif block with the text as its user comment. All other fields of the block ``before`` are retained."""
    from PIL import Image

    block = Image.Exif()
    try:
        block.load(before)
        block.get_ifd(_EXIF_IFD)
    except Exception as error:  # noqa: BLE001 - what cannot be read is dropped
        log.info("image.exif_not_read", kind=type(error).__name__)
        block = Image.Exif()
    block.get_ifd(_EXIF_IFD)[_USER_COMMENT] = b"UNICODE\0" + text.encode("utf-16-be")
    return block.tobytes()


def _png(stream: BinaryIO, text: str) -> tuple[Piece, ...]:
    chunks = list(png_chunks(stream))
    if not chunks or chunks[0][0] != b"IHDR":
        raise ValueError("a PNG must begin with its header")
    (_, header), *others = chunks
    return _joined(
        [
            range(header.stop),
            _text_chunk(text),
            *(
                places
                for kind, places in others
                if kind not in _TEXT_CHUNKS or read(stream, places[8 : 8 + len(_NAME)]) != _NAME
            ),
        ]
    )


def _text_chunk(text: str) -> bytes:
    try:
        kind, body = b"tEXt", _NAME + text.encode("latin-1")
    except UnicodeEncodeError:
        # The text is uncompressed, without language or translated keyword.
        kind, body = b"iTXt", _NAME + b"\0\0\0\0" + text.encode()
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _jpeg(stream: BinaryIO, text: str) -> tuple[Piece, ...]:
    before, others, first = b"", [], 2
    for marker, places in jpeg_segments(stream):
        if marker == _APP1 and read(stream, places[4:10]) == _EXIF_HEAD:
            before = before or read(stream, places)[4:]
            continue
        # The JFIF header must come first.
        if marker == _APP0 and places.start == 2:
            first = places.stop
        else:
            others.append(places)
    body = exif(text, before)
    if len(body) > _SEGMENT_AT_MOST:
        raise ValueError("the text is too long for a JPEG")
    segment = struct.pack(">BBH", 0xFF, _APP1, len(body) + 2) + body
    return _joined([range(first), segment, *others])


def _webp(stream: BinaryIO, text: str) -> tuple[Piece, ...]:
    chunks = list(webp_chunks(stream))
    if not chunks:
        raise ValueError("an empty WebP")
    before = next((read(stream, places)[8:] for kind, places in chunks if kind == b"EXIF"), b"")
    body = exif(text, before).removeprefix(_EXIF_HEAD)
    pieces: list[Piece] = [_extended_header(stream, *chunks[0])]
    for kind, places in chunks:
        if kind not in (b"VP8X", b"EXIF"):
            pieces += [places, bytes(len(places) & 1)]
    pieces += [b"EXIF" + struct.pack("<I", len(body)) + body, bytes(len(body) & 1)]
    return _joined([b"RIFF" + struct.pack("<I", 4 + sum(map(len, pieces))) + b"WEBP", *pieces])


def _extended_header(stream: BinaryIO, kind: bytes, places: range) -> bytes:
    """The VP8X chunk with the Exif flag set: the file's own, or a new one for a simple WebP."""
    chunk = read(stream, places[:18])
    if kind == b"VP8X" and len(chunk) == 18:
        return chunk[:8] + bytes([chunk[8] | _HAS_EXIF]) + chunk[9:]
    if kind == b"VP8L" and chunk[8:9] == b"\x2f" and len(chunk) >= 13:
        bits = int.from_bytes(chunk[9:13], "little")
        width, height, alpha = bits & 0x3FFF, bits >> 14 & 0x3FFF, bits >> 28 & 1
    elif kind == b"VP8 " and len(chunk) >= 18:
        width, height = ((side & 0x3FFF) - 1 for side in struct.unpack("<HH", chunk[14:18]))
        alpha = 0
    else:
        raise ValueError("a WebP with a broken header")
    flags = _HAS_EXIF | (_HAS_ALPHA if alpha else 0)
    body = struct.pack("<I", flags) + width.to_bytes(3, "little") + height.to_bytes(3, "little")
    return b"VP8X" + struct.pack("<I", len(body)) + body


def _joined(pieces: Iterable[Piece]) -> tuple[Piece, ...]:
    """Merge adjacent pieces."""
    joined: list[Piece] = []
    for piece in pieces:
        last = joined[-1] if joined else b""
        if isinstance(piece, range) and isinstance(last, range) and last.stop == piece.start:
            joined[-1] = range(last.start, piece.stop)
        elif isinstance(piece, bytes) and isinstance(last, bytes) and joined:
            joined[-1] = last + piece
        elif piece:
            joined.append(piece)
    return tuple(joined)
