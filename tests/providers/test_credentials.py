"""Credentials reach the service in their header, and no secret of theirs is shown."""

from __future__ import annotations

from base64 import b64decode

import pytest

from bot.providers.credentials import Credentials
from bot.providers.http import Service
from bot.providers.refusals import Judge
from fakes.services import StandIn
from tests.providers.workbench import SECRET

PASSWORD = "pässword-0f-the-b0t"

EVERY = {
    "key": Credentials.key(SECRET, "Bearer"),
    "header": Credentials.in_header("apikey", SECRET),
    "basic": Credentials.basic("easel", PASSWORD),
    "more": Credentials.key(SECRET).also({"CF-Access-Client-Secret": "cloud-5ecret-0f-ours"}, secret=True),
}


@pytest.mark.parametrize("name", EVERY)
async def test_each_header_arrives_and_no_secret_is_shown(stand_in: StandIn, name: str) -> None:
    credentials = EVERY[name]
    service = Service("Painter", stand_in.url, credentials=credentials)
    await service.call("POST", "/api/v1/threads", paid=False, json={})
    await service.close()
    arrived = stand_in.calls[-1].headers
    assert {header: arrived[header] for header in credentials.headers} == dict(credentials.headers)
    for secret in credentials.secrets:
        assert secret not in f"{credentials!r} {service!r} {service.judge!r}"
        assert secret not in Judge(credentials.secrets).plain(f"Invalid key {secret}!")


def test_a_password_may_have_any_letters() -> None:
    header = Credentials.basic("easel", PASSWORD).headers["Authorization"]
    assert b64decode(header.removeprefix("Basic ")).decode() == f"easel:{PASSWORD}"


async def test_a_service_without_credentials_gets_no_header(stand_in: StandIn) -> None:
    service = Service("Painter", stand_in.url)
    await service.call("POST", "/api/v1/threads", paid=False, json={})
    await service.close()
    assert "Authorization" not in stand_in.calls[-1].headers
