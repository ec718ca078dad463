"""Settings that several providers read in the same way."""

from __future__ import annotations

import re

from bot.providers.base import SettingsReader, WrongSetting
from bot.providers.fetching import MEBIBYTE
from bot.providers.hosts import host_and_port

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def checked_names(settings: SettingsReader, name: str, default: tuple[str, ...]) -> tuple[str, ...]:
    """A list of a service's own names for engines or styles. Raises WrongSetting."""
    found = settings.names(name, default)
    if not all(_NAME.fullmatch(one) for one in found):
        raise WrongSetting(name, "names of letters, digits, dots and hyphens with commas between them")
    return found


def image_hosts(settings: SettingsReader) -> tuple[str, ...]:
    """The hosts that images are taken from beside each service's own, with or without a port. Raises WrongSetting."""
    found = settings.names("IMAGE_HOSTS")
    for host in found:
        try:
            host_and_port(host)
        except ValueError:
            raise WrongSetting(
                "IMAGE_HOSTS",
                "names of hosts such as images.example.com, or cdn.lan:9000 where a port has to be named, with commas "
                "between them",
            ) from None
    return found


def largest_image(settings: SettingsReader) -> int:
    """The most bytes of an image file."""
    return int(settings.number("IMAGE_MAX_MIB", 32, low=1, high=1024) * MEBIBYTE)
