"""Discord's OpenAPI file. It is not part of the repository; requests are checked against it if it exists."""

from __future__ import annotations

from pathlib import Path

import pytest

from fakes.discord.schema import Schema, read_schema

FILE = Path(__file__).resolve().parents[3] / "shared" / "discord-openapi.json"
needs_file = pytest.mark.skipif(not FILE.exists(), reason=f"{FILE} is not there")


def discord_schema() -> Schema | None:
    return read_schema(FILE) if FILE.exists() else None
