"""Studio: the whole bot on SimCord, an in-memory Discord, with the real worker and the services' stand-in.

Use it to test commands, buttons, forms and cards as a person uses and sees them.

    async def test_again(studio: Studio) -> None:
        result = await studio.imagine(prompt="a fox")          # ada runs /imagine; studio.ben, studio.admin: others
        await studio.finish()                                  # wait until the worker is idle
        again = await studio.press(studio.ben, card(result), "Again")
        assert told(again).private

* ``card(result)`` is the answer's message, ``told(result)`` the private notice; both have ``text``, ``labels`` and
  ``images``. ``person.slash(channel, name, **options)`` runs any command.
* ``slow_studio``: the services render until ``studio.stand_in.finish_all()``. ``make_studio(NAME="value")``: settings.
* ``studio.env.inject_error(method, path, status=…)`` makes Discord refuse; ``studio.restart()`` is a new process.
* ``studio.clock`` skips waiting; ``studio.clock.advance(seconds)`` lets time pass.
* ``forge`` and ``forge_id`` press a button that the bot did not offer.
* The fixture fails the test if anything but a UserError was raised.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import discord
import pytest
import simcord
from discord import app_commands

from bot import app, config
from bot.app import Runtime, assembled
from bot.domain.pictures import StoredReference
from bot.errors import UserError
from bot.provider_settings import configured
from bot.providers.base import Engine, Provider
from bot.providers.operations import Size
from fakes.services import StandIn, flat
from storage.records import Job, SourceKind
from tests.doubles.clock import SkippingClock
from tests.doubles.provider import png

# The initial time of this Discord. Its tokens expire by this clock, which only tests advance.
THE_BEGINNING = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp() * 1000)
CONFIRM = "Confirm"
CORE, BASIC = "aithriving/core", "aithriving/sd-1.6"


class PatientClock(SkippingClock):
    """Skips the waits of jobs, but not those of hourly tasks. Otherwise hourly tasks would run all the time."""

    async def sleep(self, seconds: float) -> None:
        if seconds > 600:
            await asyncio.Event().wait()
        await super().sleep(seconds)


@dataclass
class Shown:
    """A card as a person sees it."""

    raw: simcord.ResponseMessage

    @property
    def parts(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []

        def walk(components: list[dict[str, Any]]) -> None:
            for component in components:
                found.append(component)
                walk(component.get("components", []))
                walk([component["accessory"]] if "accessory" in component else [])

        walk(self.raw.components)
        return found

    @property
    def text(self) -> str:
        return "\n".join(part["content"] for part in self.parts if part["type"] == 10)

    @property
    def labels(self) -> list[str]:
        return [part["label"] for part in self.parts if part["type"] == 2]

    @property
    def menus(self) -> dict[str, dict[str, Any]]:
        """The select menus by their custom ids."""
        return {part["custom_id"]: part for part in self.parts if part["type"] == 3}

    def selected(self, custom_id: str) -> list[str]:
        """The labels of the options that are selected in a menu."""
        return [option["label"] for option in self.menus[custom_id]["options"] if option.get("default")]

    @property
    def images(self) -> list[dict[str, Any]]:
        return [item for part in self.parts if part["type"] == 12 for item in part["items"]]

    @property
    def private(self) -> bool:
        return self.raw.ephemeral


@dataclass
class Studio:
    """A server with a channel, two members, an admin and the bot, and the actions of people there."""

    env: simcord.Env
    stand_in: StandIn
    environ: Mapping[str, str]
    clock: SkippingClock
    runtime: Runtime
    parts: AsyncExitStack
    server: simcord.GuildHandle = field(init=False)
    channel: simcord.ChannelHandle = field(init=False)
    ada: simcord.MemberActor = field(init=False)
    ben: simcord.MemberActor = field(init=False)
    admin: simcord.MemberActor = field(init=False)

    def populate(self) -> None:
        self.server = self.env.create_guild("The Studio")
        self.channel = self.server.create_text_channel("pictures")
        may = discord.Permissions(manage_guild=True, manage_messages=True)
        role = self.server.create_role("Admin", permissions=may)
        self.ada, self.ben = (self.server.add_member(self.env.create_user(name)) for name in ("ada", "ben"))
        self.admin = self.server.add_member(self.env.create_user("grace"), roles=[role])

    async def imagine(
        self, person: simcord.MemberActor | None = None, /, prompt: str = "a lighthouse", **options: Any
    ) -> simcord.InteractionResult:
        return await (person or self.ada).slash(self.channel, "imagine", prompt=prompt, **options)

    async def confirmed(
        self, person: simcord.MemberActor | None = None, /, prompt: str = "a {red, blue} car", **options: Any
    ) -> simcord.InteractionResult:
        """Run /imagine with a prompt that needs a confirmation, and confirm it. Returns what has the job's card."""
        result = await self.imagine(person, prompt, **options)
        pressed = await self.press(person or self.ada, card(result), CONFIRM)
        return pressed if result.response is None else result

    async def press(self, person: simcord.MemberActor, card: Shown, label: str) -> simcord.InteractionResult:
        """Press the button with this label, or else the one whose label begins with it."""
        (found,) = [each for each in card.labels if each == label] or [
            each for each in card.labels if each.startswith(label)
        ]
        return await person.click(card.raw, label=found)

    async def again(self, person: simcord.MemberActor, card: Shown) -> simcord.InteractionResult:
        """Press Again on a result with a fixed seed, and choose the same seed."""
        return await self.press(person, told(await self.press(person, card, "Again")), "Same seed")

    async def finish(self) -> None:
        """Wait until the worker is idle. It then has delivered all results."""
        await self.runtime.worker.idle()

    async def begun(self, route: str = "aithriving.core", count: int = 1) -> None:
        """Wait until the image service has been called."""
        await self.stand_in.called(route, count)

    async def until(self, says: Callable[[], bool]) -> None:
        """Wait until the condition is true."""
        while not says():
            await asyncio.sleep(0.005)

    async def job(self, job_id: int = 1) -> Job:
        return await self.runtime.jobs.job(job_id)

    async def restart(self) -> None:
        """End the bot's process and start another one on the same data."""
        await self.parts.aclose()
        self.runtime = await self.parts.enter_async_context(assembled(settings(self.environ), clock=self.clock))
        await self.env.restart_bot(self.runtime.client)
        with self.env.time_context():
            await self.parts.enter_async_context(self.runtime.working(grace=0))


def settings(environ: Mapping[str, str]) -> config.Settings:
    return config.load(environ, env_file=None)


def card(result: simcord.InteractionResult) -> Shown:
    """The current content of the answer."""
    assert result.response is not None, "the message no longer exists"
    return Shown(result.response)


def told(result: simcord.InteractionResult) -> Shown:
    """The private notice: the answer, or the follow-up after a deleted answer."""
    found = Shown(result.followups[-1]) if result.followups else card(result)
    assert found.private
    return found


async def stand(studio: Studio, action: str, *job_ids: int | str, channel_id: int | None = None) -> discord.Message:
    """Send a message as the bot with forged buttons of jobs."""
    return await _stand(studio, *(f"easel:{action}:{job_id}" for job_id in job_ids), channel_id=channel_id)


async def _stand(studio: Studio, *custom_ids: str, channel_id: int | None = None) -> discord.Message:
    view = discord.ui.LayoutView(timeout=None)
    view.add_item(discord.ui.ActionRow(*(discord.ui.Button[Any](label="Forged", custom_id=id_) for id_ in custom_ids)))
    view.stop()
    with studio.env.time_context():
        return await studio.runtime.client.get_partial_messageable(channel_id or studio.channel.id).send(view=view)


async def forge(
    studio: Studio, person: simcord.MemberActor, action: str, job_id: int | str, *, on: Shown | None = None
) -> simcord.InteractionResult:
    """Press a forged button on a message of the bot."""
    message = await stand(studio, action, job_id, channel_id=on.raw.channel_id if on is not None else None)
    return await person.click(message, label="Forged")


async def press_forged(studio: Studio, person: simcord.MemberActor, custom_id: str) -> simcord.InteractionResult:
    """Press a button with this custom id that the bot did not offer, on a message for everybody."""
    return await person.click(await _stand(studio, custom_id), label="Forged")


async def forge_id(studio: Studio, person: simcord.MemberActor, custom_id: str) -> Shown:
    """Press such a button, and return what the person sees when the bot is idle."""
    pressed = await press_forged(studio, person, custom_id)
    await studio.finish()
    return Shown(pressed.followups[-1]) if pressed.followups else card(pressed)


async def attached(studio: Studio, person: simcord.MemberActor, size: tuple[int, int] = (96, 64)) -> StoredReference:
    """A stored picture that a person attached."""

    async def download(path: Path) -> None:
        await asyncio.to_thread(path.write_bytes, png(7, Size(*size)))

    stored = await studio.runtime.sources.receive(person.id, download, kind=SourceKind.ATTACHED)
    return StoredReference(stored.id)


MakeStudio = Callable[..., Awaitable[Studio]]


@pytest.fixture
async def make_studio(migrated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[MakeStudio]:
    """Creates a studio with further settings, and ``providers`` besides the services' stand-in.

    In a setting, ``{url}`` is the address of the stand-in.

    At the end, checks that only UserErrors were raised.
    """
    made: list[tuple[Studio, AsyncExitStack]] = []

    async def make(
        *, seconds: tuple[float, float] | None = (0, 0), providers: Iterable[Provider] = (), **further: str
    ) -> Studio:
        outside = AsyncExitStack()
        added = {provider.engines[0].provider: provider for provider in providers}
        monkeypatch.setattr(app, "configured", lambda chosen: {**configured(chosen), **added})
        if not (tmp_path / "easel.db").exists():
            shutil.copy(migrated, tmp_path / "easel.db")
        stand_in = StandIn(seconds=seconds, painter=flat)
        await stand_in.start()
        outside.push_async_callback(stand_in.stop)
        environ = {
            "DATA_DIR": str(tmp_path),
            "AI_CLIENT_TOKEN": "made-up-token",
            "AI_CLIENT_URL": f"{stand_in.url}/api/v1",
            "AITHRIVING_KEY": "made-up-key",
            "AITHRIVING_URL": stand_in.url,
            "DEFAULT_ENGINE": CORE,
            **{name: value.replace("{url}", stand_in.url) for name, value in further.items()},
        }
        parts = AsyncExitStack()
        clock = PatientClock(THE_BEGINNING)
        runtime = await parts.enter_async_context(assembled(settings(environ), clock=clock))
        env = simcord.Env(runtime.client, shard_count=1, check_errors=False)
        await env.start()
        outside.push_async_callback(env.shutdown)
        assert env.now().timestamp() * 1000 == THE_BEGINNING
        with env.time_context():
            await parts.enter_async_context(runtime.working(grace=0))
        studio = Studio(env, stand_in, environ, clock, runtime, parts)
        studio.populate()
        await env.settle()
        made.append((studio, outside))
        return studio

    yield make
    for studio, outside in made:
        await studio.parts.aclose()
        await outside.aclose()
        assert not [error for error in studio.env.errors if not isinstance(_cause(error), UserError)]


@pytest.fixture
async def studio(make_studio: MakeStudio) -> Studio:
    return await make_studio()


@pytest.fixture
async def slow_studio(make_studio: MakeStudio) -> Studio:
    """A studio whose image services finish on the test's command."""
    return await make_studio(seconds=None)


def _cause(error: BaseException) -> BaseException:
    return error.original if isinstance(error, app_commands.CommandInvokeError) else error


def engine(studio: Studio, engine_id: str) -> Engine:
    return studio.runtime.service.engines[engine_id]


def retire(studio: Studio, engine_id: str) -> None:
    """Make the service no longer have this engine, as the bot learns it from an answer."""
    studio.runtime.providers[engine_id.partition("/")[0]].retired.add(engine_id)
