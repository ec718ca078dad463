"""What a refusal says of rules that name what is no longer there."""

from __future__ import annotations

import pytest

from bot.domain.options import ImagineOptions
from bot.domain.place import Origin
from bot.domain.requests import plan, read_command
from bot.domain.rules import ANY_PLACE, ASK, WHO, Place, Rules
from tests.doubles.engines import CORE, ENGINES, XL

HERE = Origin(user_id=1, user_name="ada", server_id=10, channel_id=100, file_limit=2**20)
ART, GONE, ARTISTS = 200, 300, 400
HIDDEN = 500
PLACE = Place(
    lambda channel_id: "#art" if channel_id == ART else None,
    has_channel=lambda channel_id: channel_id in {ART, HIDDEN},
    has_role=lambda role_id: role_id == ARTISTS,
)


@pytest.mark.parametrize(
    ("channels", "names", "who"),
    [((ART, GONE), ["#art"], WHO), ((GONE,), [], ASK), ((GONE, GONE + 1), [], ASK), ((HIDDEN, GONE), [], WHO)],
)
def test_only_channels_that_are_there_are_named(channels: tuple[int, ...], names: list[str], who: str) -> None:
    (said,) = Rules(channels=channels).problems_of_place(HERE, PLACE)
    assert str(GONE) not in said
    assert all(name in said for name in names)
    assert said.endswith(who)


@pytest.mark.parametrize(("roles", "who"), [((ARTISTS, GONE), WHO), ((GONE,), ASK)])
def test_roles_that_are_gone_are_said_to_be(roles: tuple[int, ...], who: str) -> None:
    (said,) = Rules(roles=roles).problems_of_place(HERE, PLACE)
    assert said.endswith(who)


def test_what_is_not_known_is_not_gone() -> None:
    assert Rules(channels=(GONE,)).problems_of_place(HERE)[0].endswith(WHO)
    assert Rules(roles=(GONE,)).problems_of_place(HERE, ANY_PLACE)[0].endswith(WHO)


def test_only_engines_that_are_offered_are_named() -> None:
    options = ImagineOptions("a fox", engine=CORE.id)
    made = plan(read_command(options), ENGINES, CORE.id)

    def said(*allowed: str) -> str:
        (sentence,) = Rules(engines=allowed).problems(HERE, options, made, engines=ENGINES.keys())
        return sentence

    assert "easel/gone" not in said("easel/gone", XL.id)
    assert XL.id in said("easel/gone", XL.id)
    assert said("easel/gone").endswith(ASK)
