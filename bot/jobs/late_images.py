"""Images that could not be fetched: what is stored about them, so that they can be fetched after the next ``retry``."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from bot.providers.base import Cost, Finished, GeneratedImage, Json
from bot.providers.errors import ProviderError, Refused
from bot.providers.operations import Size


class Later(NamedTuple):
    """What is stored about missing images: the encoded result (None: nothing can be fetched later), and the setting.

    ``waits_for`` names the setting with which the operator can fix it. It is None if the cause may pass by itself.
    """

    result: dict[str, Json] | None
    waits_for: str | None


NOTHING = Later(None, None)


def fetch_later(finished: Finished, lost: Mapping[int, ProviderError], *, made_some: bool) -> Later:
    """Return what to store about the ``lost`` images, by position, that have an address.

    If ``made_some``, the request is done, so only images that may still be fetched count: the operator can fix the
    cause, or it may pass. Otherwise its outcome is unknown and it is looked up again in any case, so all count.
    """
    wanted = {
        position: error
        for position, error in lost.items()
        if finished.images[position].url is not None and (not made_some or may_come(error))
    }
    named = [error for error in wanted.values() if isinstance(error, Refused) and error.setting]
    why, setting = (named[0].detail, named[0].setting) if named else ("", None)
    return Later(encode_result(finished, of=wanted, why=why), setting)


def may_come(error: ProviderError) -> bool:
    """Return whether the image may still be fetched: a setting can fix the error, or it may pass by itself."""
    return not isinstance(error, Refused) or bool(error.setting)


def encode_result(finished: Finished, *, of: Collection[int] | None = None, why: str = "") -> dict[str, Json] | None:
    """Encode the cost and the images as plain JSON, with the URLs of those at the positions ``of`` (None: all).

    Returns None if there is no such URL: the images came with the response, or are stored already. ``why`` tells the
    operator why they could not be fetched.
    """
    urls = [image.url if of is None or position in of else None for position, image in enumerate(finished.images)]
    if not any(urls):
        return None
    images: list[Json] = [
        {
            "url": url,
            "seed": image.seed,
            "filtered": image.filtered,
            "reshaped": image.reshaped,
            "size": str(image.size) if image.size else None,
            "bytes": image.expected_bytes,
        }
        for url, image in zip(urls, finished.images, strict=True)
    ]
    cost = finished.cost
    return {"images": images, "cost": cost.millicredits, "exact": cost.exact, "beyond": finished.beyond, "why": why}


def decode_result(stored: dict[str, Any]) -> Finished:
    """Decode what :func:`encode_result` returned."""
    images = tuple(
        GeneratedImage(
            url=image["url"],
            seed=image["seed"],
            filtered=image["filtered"],
            reshaped=image.get("reshaped", False),
            size=Size.parse(image["size"]) if image["size"] else None,
            expected_bytes=image["bytes"],
        )
        for image in stored["images"]
    )
    return Finished(images, Cost(stored["cost"], stored["exact"]), stored["beyond"])


def up_to_date(stored: Finished, listed: Finished) -> Finished:
    """Return the stored result with the images as the service lists them now: their addresses may have expired.

    If the service lists other images than before, the stored ones count, because each keeps its position.
    """
    if [image.seed for image in listed.images] != [image.seed for image in stored.images]:
        return stored
    pairs = zip(stored.images, listed.images, strict=True)
    return replace(stored, images=tuple(before if before.url is None else now for before, now in pairs))
