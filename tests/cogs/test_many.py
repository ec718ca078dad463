"""Fifty concurrent jobs of ten people, with image services that respond out of order."""

from __future__ import annotations

import re

import pytest
import simcord

from bot import config
from fakes.services import StandIn, flat
from playground.studio import open_studio
from tests.cogs.conftest import BASIC, CORE, card

XL = "ai-client/stable-diffusion-xl-1024-v0-9"
PEOPLE, EACH = 10, 5


@pytest.mark.slow
async def test_everybody_gets_exactly_their_own_images() -> None:
    # This test uses real time: some jobs take longer than others, so later jobs overtake earlier ones.
    services = StandIn(seconds=(0.0, 1.5), seed=5, painter=flat)
    async with open_studio(config.load({"JOBS_PER_USER": str(EACH)}, env_file=None), services) as studio:
        env, channel = studio.world.env, studio.world.channel
        server = studio.world.server
        people = [server.add_member(env.create_user(f"person{number}")) for number in range(PEOPLE)]
        asked: list[tuple[str, int, simcord.InteractionResult]] = []
        for job in range(EACH):
            for number, person in enumerate(people):
                prompt = f"person {number} asks for picture {job}"
                images = 1 + (number + job) % 3
                engine = (XL, BASIC, CORE)[(number + job) % 3]
                result = await person.slash(channel, "imagine", prompt=prompt, engine=engine, images=images)
                asked.append((prompt, images, result))
        await studio.runtime.worker.idle()

        order = list(dict.fromkeys(bill.prompt for bill in services.bills))
        assert order != [prompt for prompt, _, _ in asked], "no job overtook another, so the test proves nothing"
        for prompt, images, result in asked:
            shown = card(result)
            attachments = env.backend.get_message(channel.id, shown.raw.id).attachments
            pictures = [env.backend.cdn.get(attachment["url"]) or b"" for attachment in attachments]
            assert prompt in shown.text
            assert [_whose(picture) for picture in pictures] == [prompt] * images
        assert sorted(order) == sorted(prompt for prompt, _, _ in asked)


def _whose(picture: bytes) -> str:
    """The prompt of an image from the stand-in. The file contains it."""
    found = re.search(rb"Description\0\0\0\0\0(.*?) \[", picture)
    assert found is not None, "the image is not from the stand-in"
    return found[1].decode()
