"""/help and /engines: clickable commands, and subjects with valid examples."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import discord
import pytest
import simcord
from discord import app_commands

from bot.domain.edits import NAMES
from bot.domain.engines import UNKNOWN_ENGINE
from bot.domain.options import ImagineOptions
from bot.domain.requests import plan, read_command
from bot.domain.rules import WORD_REFUSED
from bot.errors import UserError
from bot.jobs.provider_text import TEXTS
from bot.people.user_settings import UserSettings
from bot.providers.errors import Reason
from bot.providers.operations import Operation
from bot.servers.settings import NOT_A_MANAGER
from bot.ui.cards.buttons import OLD_LIST, menu_id
from bot.ui.cards.engines import DEFAULT, DOES, DOES_AND_COSTS, EXACT_PRICE, RETIRED
from bot.ui.cards.help import EXAMPLES, FOR_ADMINS, OVERVIEW, SUBJECTS, Subject, explained
from bot.ui.cards.wording import FROM_TO, safe
from fakes.services import retired
from storage.records import JobStatus
from tests.cogs.conftest import BASIC, CORE, Shown, Studio, card, told
from tests.cogs.test_threads import forge
from tests.doubles.texts import shows

MENU = menu_id("help")


def lines_of(subject: Subject) -> list[str]:
    return [str(line) for line in explained(subject, "</{}:1>".format)]


def commands_of(studio: Studio) -> set[str]:
    """All commands without the groups."""
    every = studio.runtime.client.tree.walk_commands()
    return {command.qualified_name for command in every if isinstance(command, app_commands.Command)}


def clickable(studio: Studio, shown: Shown) -> set[str]:
    """The clickable commands with their ids at Discord."""
    ids = {each["name"]: each["id"] for each in studio.env.backend.commands[None].values()}
    found = re.findall(r"</([a-z ]+):(\d+)>", shown.text)
    assert all(ids[name.split()[0]] == number for name, number in found)
    return {name for name, _ in found}


async def chosen(studio: Studio, person: simcord.MemberActor, shown: Shown, about: str) -> Shown:
    return card(await person.select(shown.raw, [about], custom_id=MENU))


def offered(shown: Shown) -> list[str]:
    """The subjects in the menu."""
    overview, *subjects = [option["value"] for option in shown.menus[MENU]["options"]]
    assert overview == OVERVIEW
    return subjects


async def test_help_is_short_and_leads_to_all_subjects(studio: Studio) -> None:
    shown = told(await studio.admin.slash(studio.channel, "help"))
    assert shown.private
    assert clickable(studio, shown) == {"imagine"}
    assert offered(shown) == [*SUBJECTS]
    assert len(shown.labels) == len(EXAMPLES) == 3


async def test_a_subject_opens_in_the_same_message_and_leads_back(studio: Studio) -> None:
    shown = told(await studio.ada.slash(studio.channel, "help"))
    subject = await chosen(studio, studio.ada, shown, "threads")
    assert (subject.raw.id, subject.private) == (shown.raw.id, True)
    assert clickable(studio, subject) >= set(SUBJECTS["threads"].commands)
    assert subject.selected(MENU) == [str(SUBJECTS["threads"].title)]
    assert subject.labels == []
    back = await chosen(studio, studio.ada, subject, OVERVIEW)
    assert back.raw.id == shown.raw.id
    assert back.labels == shown.labels
    assert back.selected(MENU) == shown.selected(MENU) != []


async def test_every_command_is_explained(studio: Studio) -> None:
    named = set()
    for about in SUBJECTS:
        named |= clickable(studio, told(await studio.admin.slash(studio.channel, "help", about=about)))
    assert named == commands_of(studio) - {"help"}


async def test_the_documents_list_exactly_the_commands(studio: Studio) -> None:
    text = (Path(__file__).parents[2] / "docs" / "commands.md").read_text(encoding="utf-8")
    table = text.partition("\n## ")[0]
    named = set()
    for row in re.findall(r"^\| (`/[^|]*)\|", table, re.MULTILINE):
        # The first command in full, more commands of the same group by their last word.
        first, *others = re.findall(r"`/?([a-z ]+)`", row)
        named |= {first, *(f"{first.split()[0]} {other}" for other in others)}
    assert named == commands_of(studio)


async def test_the_slash_commands_in_the_documents_exist(studio: Studio) -> None:
    known = commands_of(studio)
    groups = {name.split()[0] for name in known}
    root = Path(__file__).parents[2]
    for file in (root / "README.md", *(root / "docs").glob("*.md")):
        # A command may be followed by its options, and a group may stand for all its commands.
        for line in re.findall(r"`/([a-z][^`/]*)`", file.read_text(encoding="utf-8")):
            words = line.split()
            named = " ".join(words[:2]) if len(words) > 1 and ":" not in words[1] else words[0]
            assert named in known | groups or named.split()[0] in known, f"{file.name}: /{line}"


async def test_only_managers_see_the_subject_for_admins(studio: Studio) -> None:
    shown = told(await studio.ada.slash(studio.channel, "help"))
    assert offered(shown) == [name for name in SUBJECTS if name != FOR_ADMINS]
    assert shows(told(await studio.ada.slash(studio.channel, "help", about=FOR_ADMINS)).text, NOT_A_MANAGER)
    forged = told(await studio.admin.slash(studio.channel, "help"))
    direct = card(await studio.ada.user.slash("help"))
    assert FOR_ADMINS in offered(forged)
    assert FOR_ADMINS not in offered(direct)


async def test_the_menu_and_the_examples_work_after_a_restart(studio: Studio) -> None:
    shown = told(await studio.ada.slash(studio.channel, "help"))
    await studio.restart()
    await studio.press(studio.ada, shown, shown.labels[0])
    await studio.finish()
    assert (await studio.job()).status is JobStatus.DELIVERED
    assert (await chosen(studio, studio.ada, shown, "costs")).raw.id == shown.raw.id


# --- the examples -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EXAMPLES)
async def test_an_example_makes_its_image_for_the_price_on_its_button(studio: Studio, name: str) -> None:
    shown = told(await studio.ada.slash(studio.channel, "help"))
    (label,) = [each for each in shown.labels if each.startswith(str(EXAMPLES[name].title))]
    assert label.endswith("6 credits")
    result = await studio.press(studio.ada, shown, label)
    await studio.finish()
    assert not card(result).private
    assert len(card(result).images) == 1
    assert card(result).text.startswith(f"{EXAMPLES[name].prompt}\n")
    assert "6 credits" in card(result).text
    job = await studio.job()
    assert (job.user_id, job.status) == (studio.ada.id, JobStatus.DELIVERED)
    assert told(await studio.ada.slash(studio.channel, "help")).labels == shown.labels, "/help itself stays as it was"


@pytest.mark.parametrize("engine_id", ["ai-client/stable-diffusion-xl-1024-v0-9", BASIC, CORE])
async def test_the_examples_work_on_every_engine(studio: Studio, engine_id: str) -> None:
    service = studio.runtime.service
    for example in EXAMPLES.values():
        made = plan(read_command(ImagineOptions(prompt=example.prompt, engine=engine_id)), service.engines, engine_id)
        assert made.images == 1


async def test_an_example_follows_the_persons_settings(studio: Studio) -> None:
    await studio.ada.slash(studio.channel, "settings set", images=2, private=True, ask_above=5)
    shown = told(await studio.ada.slash(studio.channel, "help"))
    assert shown.labels[0].endswith("12 credits")
    result = await studio.press(studio.ada, shown, shown.labels[0])
    assert card(result).private
    assert (await studio.job()).status is JobStatus.PROPOSED, "the price must be confirmed first"


async def test_an_example_that_is_dearer_than_its_button_says_is_asked_for_first(studio: Studio) -> None:
    await studio.admin.slash(studio.channel, "server set", default_engine=BASIC)
    shown = told(await studio.ada.slash(studio.channel, "help"))
    assert shown.labels[0].endswith("0.9 credits")
    await studio.admin.slash(studio.channel, "server set", default_engine=CORE)
    result = await studio.press(studio.ada, shown, shown.labels[0])
    assert card(result).labels[0] == "Confirm: 6 credits"
    assert studio.stand_in.calls == []


async def test_an_example_that_is_not_allowed_is_refused(studio: Studio) -> None:
    await studio.admin.slash(studio.channel, "server set", refused_words="lighthouse")
    shown = told(await studio.ada.slash(studio.channel, "help"))
    assert shown.labels[0].endswith("6 credits")
    refused = told(await studio.press(studio.ada, shown, shown.labels[0]))
    assert shows(refused.text, WORD_REFUSED)
    await studio.admin.slash(studio.channel, "quota set", credits=5)
    assert told(await studio.press(studio.ada, shown, shown.labels[1])).private
    assert studio.stand_in.calls == []


async def test_an_example_works_in_direct_messages(studio: Studio) -> None:
    shown = card(await studio.ada.user.slash("help"))
    result = await studio.ada.user.click(shown.raw, label=shown.labels[1])
    await studio.finish()
    assert len(card(result).images) == 1


@pytest.mark.parametrize(
    ("custom_id", "value"),
    [
        ("menu:help", "nothing"),
        ("menu:nothing", "images"),
        ("menu:setting:nothing", "-"),
        ("menu:setting", "-"),
        ("menu:setting:images", "11"),
        ("menu:setting:text", "in oil"),
    ],
)
async def test_a_forged_choice_is_refused(studio: Studio, custom_id: str, value: str) -> None:
    view = discord.ui.LayoutView(timeout=None)
    options = [discord.SelectOption(label="Forged", value=value)]
    view.add_item(discord.ui.ActionRow(discord.ui.Select[Any](custom_id=custom_id, options=options)))
    view.stop()
    with studio.env.time_context():
        message = await studio.runtime.client.get_partial_messageable(studio.channel.id).send(view=view)
    assert shows(told(await studio.ada.select(message, [value], custom_id=custom_id)).text, OLD_LIST)
    assert studio.runtime.personal.of(studio.ada.id) == UserSettings()


@pytest.mark.parametrize(
    "custom_id",
    [
        "do:example:nothing",
        "do:example",
        "do:example:nothing:6000",
        "do:example:fox:much",
        "do:nothing",
        "do:nothing:1",
    ],
)
async def test_a_forged_action_is_refused(studio: Studio, custom_id: str) -> None:
    assert shows(told(await forge(studio, studio.ada, custom_id)).text, OLD_LIST)
    assert studio.stand_in.calls == []


# --- subjects -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("about", SUBJECTS)
async def test_each_subject_is_explained(studio: Studio, about: str) -> None:
    shown = told(await studio.admin.slash(studio.channel, "help", about=about))
    assert str(SUBJECTS[about].title) in shown.text
    assert "{" not in re.sub(r"`[^`]*`", "", shown.text), "a command was not made clickable"
    assert clickable(studio, shown) <= commands_of(studio)
    assert clickable(studio, shown) >= set(SUBJECTS[about].commands)


async def test_the_examples_are_valid(studio: Studio) -> None:
    commands = {command.qualified_name: command for command in studio.runtime.client.tree.walk_commands()}
    for subject in SUBJECTS.values():
        for line in lines_of(subject):
            for example in re.findall(r"`/([^`]+)`", line):
                name = max((name for name in commands if example.startswith(f"{name} ")), key=len)
                command = commands[name]
                assert isinstance(command, app_commands.Command)
                options = re.findall(r"(\w+):(?=\S)", example.replace("16:9", ""))
                assert options, example
                assert set(options) <= {parameter.name for parameter in command.parameters}, example


@pytest.mark.parametrize("mark", re.findall(r"`(--[^`…]+|a [^`]+)`", " ".join(lines_of(SUBJECTS["prompts"]))))
async def test_an_engine_supports_each_mark(studio: Studio, mark: str) -> None:
    prompt = mark if mark.startswith("a ") else f"a fox {mark}"
    service = studio.runtime.service
    refusals = []
    for engine in service.engines:
        try:
            plan(read_command(ImagineOptions(prompt=prompt, engine=engine)), service.engines, engine)
        except UserError as error:
            refusals.append(error)
    assert len(refusals) < len(service.engines), refusals


async def test_engines_are_listed_with_prices(studio: Studio) -> None:
    shown = told(await studio.ada.slash(studio.channel, "engines"))
    for engine in studio.runtime.service.all_engines.values():
        assert f"**{engine.name}**" in shown.text
    assert f"Stable Image Core** · {DEFAULT}" in shown.text
    for price, *operations in (
        ("6", Operation.TEXT_TO_IMAGE),
        (FROM_TO(low=400, high=2000), Operation.TEXT_TO_IMAGE, Operation.IMAGE_TO_IMAGE),
        ("6", Operation.INPAINT, Operation.ERASE),
    ):
        assert str(DOES(operations=[NAMES[each] for each in operations], price=price)) in shown.text
    await studio.ada.slash(studio.channel, "settings set", engine=BASIC)
    mine = told(await studio.ada.slash(studio.channel, "engines")).text
    assert f"Stable Diffusion 1.6** · {DEFAULT}" in mine


@pytest.mark.parametrize("name", ["aithriving/edit", "stable image control"])
async def test_an_engine_that_only_changes_pictures_is_shown_with_its_price(studio: Studio, name: str) -> None:
    shown = told(await studio.ada.slash(studio.channel, "engines", engine=name))
    assert str(EXACT_PRICE(price="6 credits")) in shown.text


async def test_the_engines_are_listed_while_one_of_them_is_retired(studio: Studio) -> None:
    studio.stand_in.misbehave(retired("aithriving.ultra"))
    result = await studio.imagine(engine="aithriving/ultra")
    await studio.finish()
    assert shows(card(result).text, TEXTS[Reason.RETIRED](label="AI Thriving"))
    assert f"Stable Image Core** · {DEFAULT}" in told(await studio.ada.slash(studio.channel, "engines")).text
    only = told(await studio.ada.slash(studio.channel, "engines", engine="aithriving/ultra"))
    assert shows(only.text, DOES_AND_COSTS(operation=NAMES[Operation.TEXT_TO_IMAGE], price=RETIRED))


@pytest.mark.parametrize("name", [CORE, BASIC, "stable diffusion 1.6"])
async def test_one_engine_is_shown_with_all_its_options(studio: Studio, name: str) -> None:
    shown = told(await studio.ada.slash(studio.channel, "engines", engine=name))
    engine = studio.runtime.service.engines[CORE if name == CORE else BASIC]
    assert f"**{engine.name}**" in shown.text
    assert all(safe(style, 60) in shown.text for style in engine.styles)
    assert all(safe(sampler, 60) in shown.text for sampler in engine.samplers)
    assert "credits an image" in shown.text


async def test_an_unknown_engine_is_refused(studio: Studio) -> None:
    said = told(await studio.ada.slash(studio.channel, "engines", engine="nonsense")).text
    assert shows(said, UNKNOWN_ENGINE(text="nonsense"))
    offered = await studio.ada.autocomplete(studio.channel, "engines", "engine", "core")
    assert [choice["value"] for choice in offered] == [CORE]
