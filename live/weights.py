"""Random weights for tiny models in the layout of Flux, TAESD and CLIP-L, as safetensors files.

The images are noise, but their sizes, seeds and formats are real. The text encoder is all zeros, so its file of 246 MB
is sparse and takes almost no space on most disks.
"""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

FLUX, TAESD, CLIP = "tiny-flux.safetensors", "tiny-taesd.safetensors", "zero-clip-l.safetensors"
LORAS, LORA = "loras", "tiny-style"
"""The folder for LoRAs, and the name of the only one."""

WIDTH, CHANNELS, CONTEXT = 128, 64, 4096
"""Flux's hidden width (of 3,072), the channels of an image patch, and the width of its text."""
HEAD = 128
"""The width of one attention head, which the server expects."""
FILTERS, LATENT = 64, 16
"""TAESD's filters, and the channels of a latent image."""
_BATCH = 65_536


class Tensor(NamedTuple):
    """The name, the shape and the standard deviation of one tensor. A ``spread`` of 0 means all ones."""

    name: str
    shape: tuple[int, ...]
    spread: float

    @property
    def size(self) -> int:
        size = 1
        for side in self.shape:
            size *= side
        return size


def make(folder: Path) -> None:
    """Write the four files into ``folder``, unless they are there already."""
    (folder / LORAS).mkdir(parents=True, exist_ok=True)
    if not (lora := folder / LORAS / f"{LORA}.safetensors").exists():
        _write(lora, list(_lora()))
    if not (folder / FLUX).exists():
        _write(folder / FLUX, list(_flux()))
    if not (folder / TAESD).exists():
        _write(folder / TAESD, list(_taesd()))
    if not (folder / CLIP).exists():
        _write_zeros(folder / CLIP, list(_clip()))


def _flux() -> Iterator[Tensor]:
    """One double block and one single block."""
    part = "model.diffusion_model."
    yield from _linear(f"{part}img_in", WIDTH, CHANNELS)
    yield from _linear(f"{part}txt_in", WIDTH, CONTEXT)
    for name, inputs in (("time_in", 256), ("vector_in", 768)):
        yield from _linear(f"{part}{name}.in_layer", WIDTH, inputs)
        yield from _linear(f"{part}{name}.out_layer", WIDTH, WIDTH)
    for side in ("img", "txt"):
        block = f"{part}double_blocks.0.{side}_"
        yield from _linear(f"{block}mod.lin", 6 * WIDTH, WIDTH)
        yield from _linear(f"{block}attn.qkv", 3 * WIDTH, WIDTH)
        yield from _linear(f"{block}attn.proj", WIDTH, WIDTH)
        yield from _norms(f"{block}attn.norm")
        yield from _linear(f"{block}mlp.0", 4 * WIDTH, WIDTH)
        yield from _linear(f"{block}mlp.2", WIDTH, 4 * WIDTH)
    single = f"{part}single_blocks.0."
    yield from _linear(f"{single}linear1", 7 * WIDTH, WIDTH)
    yield from _linear(f"{single}linear2", WIDTH, 5 * WIDTH)
    yield from _norms(f"{single}norm")
    yield from _linear(f"{single}modulation.lin", 3 * WIDTH, WIDTH)
    yield from _linear(f"{part}final_layer.linear", CHANNELS, WIDTH)
    yield from _linear(f"{part}final_layer.adaLN_modulation.1", 2 * WIDTH, WIDTH)


def _lora() -> Iterator[Tensor]:
    """A change to one layer of the model."""
    layer, rank = "lora_unet_single_blocks_0_linear1", 4
    yield Tensor(f"{layer}.lora_down.weight", (rank, WIDTH), 1.0)
    yield Tensor(f"{layer}.lora_up.weight", (7 * WIDTH, rank), 1.0)


def _linear(name: str, outputs: int, inputs: int) -> Iterator[Tensor]:
    yield Tensor(f"{name}.weight", (outputs, inputs), inputs**-0.5)
    yield Tensor(f"{name}.bias", (outputs,), 0.02)


def _norms(name: str) -> Iterator[Tensor]:
    for which in ("query_norm", "key_norm"):
        yield Tensor(f"{name}.{which}.scale", (HEAD,), 0)


def _taesd() -> Iterator[Tensor]:
    """The decoder and the encoder. The numbers are the places of the layers that have weights."""
    decoder, encoder = "decoder.layers.", "encoder.layers."
    yield from _convolution(f"{decoder}0", FILTERS, LATENT)
    for place in (2, 3, 4, 7, 8, 9, 12, 13, 14, 17):
        yield from _block(f"{decoder}{place}")
    for place in (6, 11, 16):
        yield from _convolution(f"{decoder}{place}", FILTERS, FILTERS, bias=False)
    yield from _convolution(f"{decoder}18", 3, FILTERS)
    yield from _convolution(f"{encoder}0", FILTERS, 3)
    for place in (1, 3, 4, 5, 7, 8, 9, 11, 12, 13):
        yield from _block(f"{encoder}{place}")
    for place in (2, 6, 10):
        yield from _convolution(f"{encoder}{place}", FILTERS, FILTERS, bias=False)
    yield from _convolution(f"{encoder}14", LATENT, FILTERS)


def _block(name: str) -> Iterator[Tensor]:
    for place in (0, 2, 4):
        yield from _convolution(f"{name}.conv.{place}", FILTERS, FILTERS)


def _convolution(name: str, outputs: int, inputs: int, *, bias: bool = True) -> Iterator[Tensor]:
    yield Tensor(f"{name}.weight", (outputs, inputs, 3, 3), (inputs * 9) ** -0.5)
    if bias:
        yield Tensor(f"{name}.bias", (outputs,), 0.02)


def _clip() -> Iterator[Tensor]:
    """The text encoder, in its full size, because the server expects it."""
    width, inner = 768, 3072
    yield Tensor("text_model.embeddings.token_embedding.weight", (49_408, width), 0)
    yield Tensor("text_model.embeddings.position_embedding.weight", (77, width), 0)
    for number in range(12):
        layer = f"encoder.layers.{number}."
        for norm in ("layer_norm1", "layer_norm2"):
            yield from _affine(f"{layer}{norm}", (width,))
        for projection in ("q_proj", "k_proj", "v_proj", "out_proj"):
            yield from _affine(f"{layer}self_attn.{projection}", (width, width))
        yield from _affine(f"{layer}mlp.fc1", (inner, width))
        yield from _affine(f"{layer}mlp.fc2", (width, inner))
    yield from _affine("final_layer_norm", (width,))


def _affine(name: str, shape: tuple[int, ...]) -> Iterator[Tensor]:
    yield Tensor(f"text_model.{name}.weight", shape, 0)
    yield Tensor(f"text_model.{name}.bias", shape[:1], 0)


def _header(tensors: Sequence[Tensor]) -> bytes:
    """The beginning of a safetensors file with these tensors in half precision, one after another."""
    layout: dict[str, object] = {}
    at = 0
    for tensor in tensors:
        end = at + 2 * tensor.size
        layout[tensor.name] = {"dtype": "F16", "shape": list(tensor.shape), "data_offsets": [at, end]}
        at = end
    text = json.dumps(layout).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text


def _write(path: Path, tensors: Sequence[Tensor]) -> None:
    chance = random.Random(0)
    unfinished = path.with_suffix(".part")
    with unfinished.open("wb") as file:
        file.write(_header(tensors))
        for tensor in tensors:
            for start in range(0, tensor.size, _BATCH):
                count = min(_BATCH, tensor.size - start)
                values = [chance.gauss(0, tensor.spread) if tensor.spread else 1.0 for _ in range(count)]
                file.write(struct.pack(f"<{count}e", *values))
    unfinished.rename(path)


def _write_zeros(path: Path, tensors: Sequence[Tensor]) -> None:
    header = _header(tensors)
    unfinished = path.with_suffix(".part")
    with unfinished.open("wb") as file:
        file.write(header)
        file.truncate(len(header) + 2 * sum(tensor.size for tensor in tensors))
    unfinished.rename(path)
