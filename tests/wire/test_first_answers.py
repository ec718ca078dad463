"""All commands and buttons are answered while the database is locked, and filled when it is free."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from discord import app_commands

from bot.ui import autocomplete, interactions
from bot.ui.cards.buttons import ACTIONS, JOB_ACTIONS, LISTS, MENUS, SERVER_ACTIONS, server_id
from bot.ui.cards.picture_buttons import PICTURE_ACTIONS
from fakes.discord.constants import Answer
from fakes.discord.handle import Handle
from fakes.discord.loopback import Discord
from fakes.discord.people import Person
from fakes.discord.seen import look_at
from storage.database import Database
from tests.wire.everything import (
    CHOICES,
    JOB,
    MESSAGE_MENU,
    PAGES,
    PARTS,
    PICTURE_MENUS,
    PICTURES,
    SINGLE,
    TYPED,
    filled,
    result_of,
    stand,
    stand_menu,
)
from tests.wire.house import CORE, CORE_ROUTE, House

pytestmark = pytest.mark.slow


class Held:
    """A database that can be locked, as by another program."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.free = asyncio.Event()
        self.free.set()
        for name in ("read", "write"):
            monkeypatch.setattr(Database, name, self._after(getattr(Database, name)))

    def _after(self, opened: Any) -> Any:
        @asynccontextmanager
        async def waiting(database: Database) -> AsyncIterator[Any]:
            await self.free.wait()
            async with opened(database) as connection:
                yield connection

        return waiting


@pytest.fixture
async def held(home: House, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Held]:
    # Shorten the time-out after which the bot defers an answer.
    monkeypatch.setattr(interactions, "LOOKUP_TIMEOUT", 0)
    monkeypatch.setattr(autocomplete, "PATIENCE", 0)
    held = Held(monkeypatch)
    yield held
    held.free.set()
    home.services.finish_all()
    # Finish all interactions before the bot is closed.
    under_way = [task for task in asyncio.all_tasks() if task.get_name().startswith(("discord-ui", "CommandTree"))]
    await asyncio.gather(*under_way, return_exceptions=True)


async def answered(held: Held, *pressed: Handle) -> None:
    """Wait for the first answers while the database is held, and then for the complete ones."""
    for handle in pressed:
        await handle.acknowledged()
    held.free.set()
    for handle in pressed:
        await filled(handle)


def commands_of(home: House) -> Iterator[app_commands.Command[Any, ..., Any]]:
    for command in home.runtime.client.tree.walk_commands():
        if isinstance(command, app_commands.Command):
            yield command


async def test_every_command_is_answered_while_the_database_is_held(home: House, admin: Person, held: Held) -> None:
    await result_of(home, admin)
    assert {command.qualified_name for command in commands_of(home)} == TYPED.keys()
    held.free.clear()
    typed = []
    for name, each in TYPED.items():
        for options in each:
            values = {option: admin if value is None else value for option, value in options.items()}
            typed.append(await admin.slash(home.channel, name, **values))
            await typed[-1].acknowledged()
    await answered(held, *typed)


@pytest.mark.parametrize("custom_id", [f"easel:{action}:{JOB}" for action in JOB_ACTIONS])
async def test_every_button_of_a_result_is_answered_while_the_database_is_held(
    home: House, admin: Person, held: Held, custom_id: str
) -> None:
    await result_of(home, admin)
    (message,) = await stand(home, custom_id)
    held.free.clear()
    await answered(held, await admin.press(message, "Press"))


async def test_every_button_of_a_list_is_answered_while_the_database_is_held(
    home: House, admin: Person, held: Held
) -> None:
    await result_of(home, admin)
    assert PAGES.keys() >= set(LISTS)
    messages = await stand(home, *PAGES.values())
    held.free.clear()
    pressed = [await admin.press(message, "Press") for message in messages]
    await answered(held, *pressed)


@pytest.mark.parametrize("action", SERVER_ACTIONS)
async def test_every_button_and_menu_of_a_server_is_answered_while_the_database_is_held(
    home: House, admin: Person, held: Held, action: str
) -> None:
    (message,) = await stand(home, server_id(action))
    held.free.clear()
    await answered(held, await admin.press(message, "Press"))


async def test_every_menu_and_single_action_is_answered_while_the_database_is_held(
    home: House, admin: Person, held: Held
) -> None:
    await result_of(home, admin)
    assert (set(CHOICES), set(SINGLE)) == (set(MENUS), set(ACTIONS))
    menus = [(await stand_menu(home, *each), each[1]) for each in CHOICES.values()]
    messages = await stand(home, *SINGLE.values())
    held.free.clear()
    pressed = [await admin.choose(message, value) for message, value in menus]
    pressed += [await admin.press(message, "Press") for message in messages]
    await answered(held, *pressed)


@pytest.mark.parametrize("custom_id", [*PICTURES.values(), *PARTS.values()])
async def test_every_button_of_a_picture_is_answered_while_the_database_is_held(
    home: House, admin: Person, held: Held, custom_id: str
) -> None:
    await result_of(home, admin)
    (message,) = await stand(home, custom_id)
    held.free.clear()
    await answered(held, await admin.press(message, "Press"))


async def test_every_menu_of_images_is_answered_while_the_database_is_held(
    home: House, admin: Person, held: Held
) -> None:
    await result_of(home, admin)
    assert {*PICTURES, *PICTURE_MENUS} == set(PICTURE_ACTIONS)
    menus = [(await stand_menu(home, *each), each[1]) for each in PICTURE_MENUS.values()]
    held.free.clear()
    pressed = [await admin.choose(message, value) for message, value in menus]
    await answered(held, *pressed)


async def test_the_menu_of_a_message_is_answered_while_the_database_is_held(
    home: House, admin: Person, held: Held
) -> None:
    message = await result_of(home, admin)
    held.free.clear()
    picked = {name: await admin.context(message, name) for name in MESSAGE_MENU}
    await answered(held, *picked.values())


async def test_a_form_with_a_slow_lookup_is_offered_by_a_button(home: House, admin: Person, held: Held) -> None:
    (message,) = await stand(home, f"easel:edit:{JOB}")
    await result_of(home, admin)
    held.free.clear()
    pressed = await admin.press(message, "Press")
    assert await pressed.acknowledged() is Answer.DEFERRED
    held.free.set()
    offered = await pressed.answered()
    assert offered.private
    held.free.clear()
    opened = await admin.press(offered, "Open the form")
    await opened.modal()
    sent = await admin.submit(opened)
    await sent.acknowledged()
    held.free.set()
    await home.services.called(CORE_ROUTE, 2)
    await home.done(2)


async def test_the_buttons_of_a_refusal_are_answered_while_the_database_is_held(
    home: House, admin: Person, held: Held
) -> None:
    refused = await (await admin.slash(home.channel, "imagine", prompt="a fox", engine=CORE, size="3x3")).answered()
    offer = next(label for label in refused.labels if label.startswith("Use 320x320"))
    held.free.clear()
    opened = await admin.press(refused, "Edit")
    assert await opened.acknowledged() is Answer.MODAL
    pressed = await admin.press(refused, offer)
    assert await pressed.acknowledged() is Answer.DEFERRED
    held.free.set()
    await home.services.called(CORE_ROUTE, 1)
    await home.done()


async def test_a_deletion_is_answered_while_the_database_is_held(home: House, admin: Person, held: Held) -> None:
    card = await result_of(home, admin)
    question = await (await admin.press(card, "Delete")).followup()
    held.free.clear()
    await (await admin.press(question, "Delete for good")).acknowledged()
    held.free.set()
    await admin.watches(question, lambda seen: "Deleted" in seen.text)


async def test_the_deletion_of_everything_is_answered_while_the_database_is_held(
    home: House, admin: Person, held: Held
) -> None:
    await result_of(home, admin)
    question = await (await admin.slash(home.channel, "privacy delete")).answered()
    held.free.clear()
    await (await admin.press(question, "Delete everything")).acknowledged()
    held.free.set()
    await admin.watches(question, lambda seen: "Deleted" in seen.text)


async def test_autocomplete_answers_in_time_while_the_database_is_held(home: House, admin: Person, held: Held) -> None:
    await result_of(home, admin)
    asked = []
    held.free.clear()
    for command in commands_of(home):
        needed = {name: value for name, value in TYPED[command.qualified_name][-1].items() if isinstance(value, str)}
        for parameter in command.parameters:
            if parameter.autocomplete:
                handle = await admin.autocomplete(
                    home.channel,
                    command.qualified_name,
                    parameter.display_name,
                    "",
                    **{**needed, "prompt": "a fox"} if "prompt" in needed else needed,
                )
                asked.append(handle)
                await handle.choices()
    assert len(asked) > 10
    held.free.set()


async def test_a_result_can_be_shared_once_the_database_responds(
    home: House, discord: Discord, admin: Person, held: Held
) -> None:
    """Nothing becomes public before the check of the database."""
    await home.begun(admin, private=True)
    await home.done()
    before = len(home.channel.messages)
    card = next(look_at(each) for each in home.channel.messages.values() if each.only_for is admin.user)
    held.free.clear()
    pressed = await admin.press(card, "Share")
    assert await pressed.acknowledged() is Answer.DEFERRED
    assert (await pressed.message()).private
    held.free.set()
    assert (await pressed.answered()).private
    assert [each for each in list(home.channel.messages.values())[before:] if each.only_for is None] == []
