"""Fits a stored picture to what an operation requires: its size, its ratio, its transparency, and the bytes of an upload."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bot.domain.sizes import Ratio
from bot.providers.operations import Fit, PictureFile, PictureRules, Size

TOLERANCE = 0.02
"""The relative difference of two ratios that is ignored. A picture loses at most this part of a side to it."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a picture lies on a canvas: its size after scaling, and the place of its upper left corner.

    ``left`` and ``top`` are negative if a part of the picture is cut off.
    """

    canvas: Size
    scaled: Size
    left: int
    top: int


def needs_fit(size: Size, wanted: Size | Ratio, tolerance: float = TOLERANCE) -> bool:
    """Whether a picture of this size has to be cropped or padded to get the ratio of ``wanted``."""
    raise NotImplementedError


def fit_required(size: Size, wanted: Size | None, rules: PictureRules) -> bool:
    """Whether a person has to choose between cropping and padding before this picture can be sent.

    ``wanted`` is the size of the request; it counts only if the rules are ``exact``.
    """
    raise NotImplementedError


def placement(size: Size, wanted: Size | None, rules: PictureRules, fit: Fit | None) -> Placement:
    """Compute how a picture of this size is sent. Its ``canvas`` is the size that the service receives.

    Raises ValueError if ``fit`` is None although it is required.
    """
    raise NotImplementedError


def fitted(
    file: Path,
    aside: Path,
    *,
    size: Size | None,
    rules: PictureRules,
    fit: Fit | None,
    transparent: bool,
    largest: int,
) -> PictureFile:
    """Write the stored picture ``file`` to ``aside`` as the operation requires it, in at most ``largest`` bytes. Blocks.

    ``size`` is the size of the request; it counts only if the rules are ``exact``. Transparency is flattened on white
    unless ``transparent``. The picture is encoded without loss if that is small enough, else with falling quality, else
    smaller. The result has no metadata. Raises Undecodable for the file, OSError for the disk, and ValueError if ``fit``
    is None although it is required.
    """
    raise NotImplementedError
