"""Refusals by rules that name deleted channels, roles or engines."""

from __future__ import annotations

import pytest

from bot.domain.options import ImagineOptions
from bot.domain.pictures import SourceKind, SourcePicture
from bot.domain.place import Origin
from bot.domain.requests import plan, read_command
from bot.domain.rules import (
    ALLOWED_ENGINES_GONE,
    CHANNELS_GONE,
    ENGINE_NOT_ALLOWED,
    NOT_THIS_CHANNEL,
    NOT_YOUR_ROLE,
    OTHER_CHANNELS,
    ROLES_GONE,
    WORD_REFUSED,
    Place,
    Rules,
)
from bot.providers.operations import Operation
from bot.text import Message, Text
from tests.doubles.engines import CORE, EDITOR, ENGINES, XL
from tests.doubles.places import ANY_PLACE

HERE = Origin(user_id=1, user_name="ada", server_id=10, channel_id=100, file_limit=2**20)
ART, GONE, ARTISTS = 200, 300, 400
HIDDEN = 500
PLACE = Place(
    lambda channel_id: "#art" if channel_id == ART else None,
    has_channel=lambda channel_id: channel_id in {ART, HIDDEN},
    has_role=lambda role_id: role_id == ARTISTS,
)


@pytest.mark.parametrize(
    ("channels", "problem"),
    [
        ((ART, GONE), OTHER_CHANNELS(channels="#art")),
        ((GONE,), CHANNELS_GONE(count=1)),
        ((GONE, GONE + 1), CHANNELS_GONE(count=2)),
        ((HIDDEN, GONE), NOT_THIS_CHANNEL()),
    ],
)
def test_only_existing_channels_are_named(channels: tuple[int, ...], problem: Text) -> None:
    (said,) = Rules(channels=channels).problems_of_place(HERE, PLACE)
    assert (said.code, str(said)) == (problem.code, str(problem))
    assert str(GONE) not in str(said)


@pytest.mark.parametrize(("roles", "problem"), [((ARTISTS, GONE), NOT_YOUR_ROLE), ((GONE,), ROLES_GONE)])
def test_deleted_roles_are_reported_as_deleted(roles: tuple[int, ...], problem: Message) -> None:
    assert Rules(roles=roles).problems_of_place(HERE, PLACE) == [problem()]


def test_unknown_is_not_the_same_as_deleted() -> None:
    assert Rules(channels=(GONE,)).problems_of_place(HERE, ANY_PLACE)[0].code == OTHER_CHANNELS.code
    assert Rules(roles=(GONE,)).problems_of_place(HERE, ANY_PLACE) == [NOT_YOUR_ROLE()]


def test_only_available_engines_are_named() -> None:
    options = ImagineOptions("a fox", engine=CORE.id)
    made = plan(read_command(options), ENGINES, CORE.id)

    def said(*allowed: str) -> Text:
        (problem,) = Rules(engines=allowed).problems(HERE, options, made, engines=ENGINES.keys(), place=ANY_PLACE)
        return problem

    one_left = said("easel/gone", XL.id)
    assert one_left.code == ENGINE_NOT_ALLOWED.code
    assert str(one_left.values["allowed"]) == XL.id
    assert said("easel/gone").code == ALLOWED_ENGINES_GONE.code


@pytest.mark.parametrize("typed", ["a krak\u200ben", "the KRAKEN on the left"])
def test_words_that_say_what_to_replace_are_checked_too(typed: str) -> None:
    photo = SourcePicture(7, SourceKind.ATTACHED, 1024, 768)
    options = ImagineOptions("a fox", operation=Operation.SEARCH_AND_REPLACE, source=photo, search=typed)
    engine = EDITOR.doing(options.operation)
    assert engine is not None
    rules = Rules(refused=("kraken",))
    made = plan(read_command(options), {engine.id: engine}, engine.id)
    for each in (made, None):
        found = rules.problems(HERE, options, each, engines=ENGINES.keys(), place=ANY_PLACE)
        assert [problem.code for problem in found] == [WORD_REFUSED.code]
