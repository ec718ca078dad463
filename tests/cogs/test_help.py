"""/help and /engines: clickable commands, and subjects with valid examples."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from discord import app_commands

from bot.domain.engines import UNKNOWN_ENGINE
from bot.domain.options import ImagineOptions
from bot.domain.requests import plan, read_command
from bot.errors import UserError
from bot.ui.cards.engines import DEFAULT, ESTIMATED_PRICE, EXACT_PRICE
from bot.ui.cards.help import SUBJECTS, Subject, explained
from bot.ui.cards.wording import safe
from tests.cogs.conftest import BASIC, CORE, Shown, Studio, told
from tests.doubles.texts import shows


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


async def test_help_has_a_clickable_mention_of_every_command(studio: Studio) -> None:
    shown = told(await studio.admin.slash(studio.channel, "help"))
    assert shown.private
    assert clickable(studio, shown) == commands_of(studio)


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
    for file in (Path(__file__).parents[2] / "docs").glob("*.md"):
        # A command may be followed by its options, and a group may stand for all its commands.
        for line in re.findall(r"`/([a-z][^`/]*)`", file.read_text(encoding="utf-8")):
            words = line.split()
            named = " ".join(words[:2]) if len(words) > 1 and ":" not in words[1] else words[0]
            assert named in known | groups or named.split()[0] in known, f"{file.name}: /{line}"


async def test_unavailable_commands_are_not_clickable(studio: Studio) -> None:
    shown = told(await studio.ada.slash(studio.channel, "help"))
    assert clickable(studio, shown) == commands_of(studio) - set(SUBJECTS["admins"].commands)
    explained = told(await studio.ada.slash(studio.channel, "help", about="admins"))
    assert "`/usage report`" in explained.text
    assert not clickable(studio, explained)


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
    for engine in studio.runtime.service.engines.values():
        assert f"**{engine.name}**" in shown.text
    assert f"Stable Image Core** · {DEFAULT}" in shown.text
    assert str(EXACT_PRICE(price="6 credits")) in shown.text
    assert str(ESTIMATED_PRICE(price="0.4 to 2 credits")) in shown.text
    await studio.ada.slash(studio.channel, "settings set", engine=BASIC)
    mine = told(await studio.ada.slash(studio.channel, "engines")).text
    assert f"Stable Diffusion 1.6** · {DEFAULT}" in mine


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
