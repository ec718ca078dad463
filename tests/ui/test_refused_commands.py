"""The refused commands in memory are bounded, as a whole and for each person."""

from __future__ import annotations

import json

import pytest

from bot.domain.options import ImagineOptions
from bot.domain.rules import PRIVATE_OFF
from bot.errors import UserError
from bot.jobs.refusals import Refusal
from bot.ui.refused_commands import FORGOTTEN, KEPT_AT_MOST, KEPT_OF_EACH, RefusedCommands
from tests.doubles.clock import SkippingClock
from tests.doubles.texts import codes
from tests.doubles.views import ENGINE

ADA, BEN = 1, 2


def refuse(commands: RefusedCommands, user_id: int) -> str:
    """Remember a refused command. Returns its key."""
    card = commands.card(Refusal(PRIVATE_OFF, options=ImagineOptions("a hen"), complete=False), user_id=user_id)
    return json.dumps(card.to_components()).partition("refused:")[2][:16]  # type: ignore[no-untyped-call]  # the library leaves it untyped


def forgotten(commands: RefusedCommands, key: str, user_id: int) -> bool:
    try:
        return commands.of(key, user_id).user_id != user_id
    except UserError as error:
        return codes(error) == [FORGOTTEN.code]


@pytest.fixture
def commands() -> RefusedCommands:
    return RefusedCommands(lambda _: {ENGINE.id: ENGINE}, SkippingClock(0))


def test_nobody_displaces_the_commands_of_others(commands: RefusedCommands) -> None:
    mine = refuse(commands, ADA)
    theirs = [refuse(commands, BEN) for _ in range(KEPT_AT_MOST)]
    assert not forgotten(commands, mine, ADA)
    assert [forgotten(commands, key, BEN) for key in theirs[-KEPT_OF_EACH - 1 :]] == [True] + [False] * KEPT_OF_EACH


def test_all_commands_together_are_bounded(commands: RefusedCommands) -> None:
    first = refuse(commands, ADA)
    keys = [refuse(commands, user_id) for user_id in range(10, 10 + KEPT_AT_MOST)]
    assert forgotten(commands, first, ADA)
    assert not forgotten(commands, keys[0], 10)
