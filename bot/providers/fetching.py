"""Writes images into files, from a download or from bytes in memory. Checks them and enforces the size limit.

Downloads are sent without the key, and only to configured hosts, also after a redirect. They may be repeated.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_exponential_jitter
from yarl import URL

from bot.providers.addresses import as_written
from bot.providers.base import FetchedImage
from bot.providers.errors import NotFound, Reason, Refused, Unreachable
from bot.providers.hosts import Hosts
from bot.providers.http import CONNECT_SECONDS, Service
from bot.providers.image_headers import NotAnImage, inspect_file
from bot.providers.image_text import without_text
from bot.providers.operations import Size
from bot.providers.settings import SettingsReader

MEBIBYTE = 1 << 20
LARGEST_IMAGE = 32 * MEBIBYTE
"""The default size limit of an image file, in bytes."""
DOWNLOAD_SECONDS = 120.0
SILENT_SECONDS = 30.0
ATTEMPTS = 3

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_HOPS = 5
_PIECE = 1 << 18


class _OtherLength(Unreachable):
    """A complete image whose length differs from the one that the service reported."""

    usual = Reason.IMAGE_INCOMPLETE

    def __init__(self, image: FetchedImage, *, detail: str) -> None:
        super().__init__(detail=detail)
        self.image = image


def largest_image(settings: SettingsReader) -> int:
    """Read the size limit of an image file, in bytes."""
    return int(settings.number("IMAGE_MAX_MIB", 32, low=1, high=1024) * MEBIBYTE)


async def keep(
    service: Service,
    data: bytes,
    path: Path,
    *,
    largest: int = LARGEST_IMAGE,
    strip: bool = False,
    downloaded: bool = False,
) -> FetchedImage:
    """Write an image from a response into the file. Raises Refused if it is not a supported image.

    ``strip``: remove its text, because the service writes prompts and its settings into it. ``downloaded``: the service
    still has it, so if it was cut short, this raises Unreachable: a later download may be whole.
    """
    if len(data) > largest:
        raise above_the_limit(largest, f"{len(data)} bytes")
    try:
        return await service.in_thread(_finish, path, "wb", data, strip=strip)
    except NotAnImage as error:
        await service.in_thread(_remove, path)
        kind = Unreachable if downloaded and error.reason is Reason.IMAGE_CUT_SHORT else Refused
        raise kind(error.reason, detail=f"{error}, {len(data)} bytes", values=error.values) from None


def _worth_another_try(error: BaseException) -> bool:
    """Return whether to retry. A page in place of an image is retried, because it often means "not ready yet"."""
    return isinstance(error, Unreachable) or (isinstance(error, Refused) and error.reason is Reason.IMAGE_IS_PAGE)


class Downloads:
    """Downloads the images of one service."""

    def __init__(self, service: Service, *, largest: int = LARGEST_IMAGE, pause: float = 0.5) -> None:
        """``largest`` is in bytes. ``pause`` is the first backoff between two attempts, in seconds; it grows."""
        self._service = service
        self._largest = largest
        self._pause = pause

    async def fetch(
        self, url: str, path: Path, *, expected_bytes: int | None = None, expected_size: Size | None = None
    ) -> FetchedImage:
        """Stream the image at ``url`` into the file, with a few attempts.

        Raises Unreachable if a later retry may succeed, NotFound if the host reports that it is gone, and Refused if
        the bytes are not a supported image. Some Refused errors have a ``setting``: after the operator has added the
        host or raised the limit, a retry may succeed. An image whose length is not ``expected_bytes`` is accepted if it
        is complete and has ``expected_size``: then the service reported the wrong length.
        """
        try:
            return await AsyncRetrying(
                retry=retry_if_exception(_worth_another_try),
                stop=stop_after_attempt(ATTEMPTS),
                wait=wait_exponential_jitter(multiplier=self._pause, max=8 * self._pause, jitter=self._pause / 2),
                reraise=True,
            )(self._attempt, url, path, expected_bytes)
        except _OtherLength as error:
            if error.image.size == expected_size:
                return error.image
            await self._service.in_thread(_remove, path)
            raise

    async def _attempt(self, url: str, path: Path, expected_bytes: int | None) -> FetchedImage:
        try:
            image = await self._download(url, path)
        except NotAnImage as error:
            await self._service.in_thread(_remove, path)
            kind = Unreachable if error.reason is Reason.IMAGE_CUT_SHORT else Refused
            raise kind(error.reason, detail=str(error), values=error.values) from None
        except BaseException:
            await self._service.in_thread(_remove, path)
            raise
        if expected_bytes is not None and image.bytes != expected_bytes:
            raise _OtherLength(image, detail=f"{image.bytes} bytes in place of {expected_bytes}")
        return image

    async def _download(self, url: str, path: Path) -> FetchedImage:
        try:
            async with self._open(url) as response:
                return await self._save(response, path)
        except (aiohttp.ClientError, ConnectionError, TimeoutError) as error:  # any other OSError is the disk's
            raise Unreachable(Reason.IMAGE_UNREACHABLE, detail=type(error).__name__) from None

    async def _save(self, response: aiohttp.ClientResponse, path: Path) -> FetchedImage:
        if (response.content_length or 0) > self._largest:
            raise above_the_limit(self._largest, f"Content-Length {response.content_length}")
        piece, mode, written = bytearray(), "wb", 0
        # Handing work to a thread takes longer than a small write, so several parts are written together.
        async for part in response.content.iter_any():
            piece += part
            written += len(part)
            if written > self._largest:
                raise above_the_limit(self._largest, "a body without an end")
            if len(piece) >= _PIECE:
                await self._service.in_thread(_write, path, mode, piece)
                piece, mode = bytearray(), "ab"
        return await self._service.in_thread(_finish, path, mode, piece)

    @asynccontextmanager
    async def _open(self, url: str) -> AsyncIterator[aiohttp.ClientResponse]:
        """Follow redirects to a response with the status 200. Each target must be an allowed host."""
        target = as_written(url, self._service.base)
        for _ in range(_MOST_HOPS + 1):
            if target is None:
                raise Refused(Reason.IMAGE_WITHOUT_ADDRESS, detail="no http address")
            if not self._service.hosts.allow(target):
                raise _not_allowed(target, self._service.hosts)
            async with self._service.asking.get(
                target,
                # A compressed body could expand to any length, and would not match the reported length.
                headers={"Accept": "image/png, image/jpeg, image/webp", "Accept-Encoding": "identity"},
                proxy=self._service.proxy_for(target),
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(
                    total=DOWNLOAD_SECONDS, connect=CONNECT_SECONDS, sock_read=SILENT_SECONDS
                ),
            ) as response:
                if response.status in _REDIRECTS and (location := response.headers.get("Location")):
                    target = as_written(location, target)
                    continue
                if response.status == 410:
                    raise NotFound(Reason.IMAGE_GONE, detail="HTTP 410")
                if response.status != 200:
                    # Object stores respond with 403 or 404 for objects that do not exist yet.
                    raise Unreachable(Reason.IMAGE_NOT_READY, detail=f"HTTP {response.status}")
                yield response
                return
        raise Unreachable(Reason.IMAGE_REDIRECTS, detail=f"more than {_MOST_HOPS} redirects")


def _write(path: Path, mode: str, data: bytes | bytearray) -> None:
    with path.open(mode) as file:
        file.write(data)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


def _finish(path: Path, mode: str, data: bytes | bytearray, *, strip: bool = False) -> FetchedImage:
    _write(path, mode, without_text(bytes(data)) if strip else data)
    with path.open("rb") as file:
        return inspect_file(file)


def _not_allowed(target: URL, hosts: Hosts) -> Refused:
    """Make the error for a host that is not allowed. The log names the required entry; the card omits the host."""
    address = f"{target.scheme}://{target.raw_host}{'' if target.is_default_port() else f':{target.port}'}"
    detail = f"{address[:200]}: IMAGE_HOSTS does not name {hosts.to_allow(target)[:200]}"
    return Refused(Reason.IMAGE_HOST_NOT_ALLOWED, detail=detail, operator=True, setting="IMAGE_HOSTS")


def above_the_limit(largest: int, detail: str) -> Refused:
    """Make the error for a too large image, which names the limit that the operator can raise.

    One that has a URL can then be downloaded again.
    """
    detail = f"{detail}: more than IMAGE_MAX_MIB"
    mib = {"mib": largest // MEBIBYTE}
    return Refused(Reason.IMAGE_TOO_LARGE, detail=detail, values=mib, operator=True, setting="IMAGE_MAX_MIB")
