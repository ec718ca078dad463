"""Refusals by rules that name deleted channels, roles or engines."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.domain.options import ImagineOptions
from bot.domain.pictures import SourceKind, SourcePicture
from bot.domain.place import Origin
from bot.domain.requests import plan, read_command
from bot.domain.rules import (
    ALLOWED_ENGINES_GONE,
    CHANNELS_GONE,
    ENGINE_NOT_ALLOWED,
    NO_ALLOWED_ENGINE,
    NO_PICTURES,
    NOT_THIS_CHANNEL,
    NOT_YOUR_ROLE,
    ONLY_RESULTS,
    OTHER_CHANNELS,
    ROLES_GONE,
    WORD_REFUSED,
    WORD_RESTRICTED,
    PicturesAllowed,
    Place,
    Rules,
)
from bot.providers.operations import Operation
from bot.text import Message, Text
from tests.doubles.engines import CORE, EDITOR, ENGINES, VARIER, XL
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
        (problem,) = Rules(engines=allowed).problems(HERE, options, made, engines=ENGINES, place=ANY_PLACE)
        return problem

    one_left = said("easel/gone", XL.id)
    assert one_left.code == ENGINE_NOT_ALLOWED.code
    assert str(one_left.values["allowed"]) == XL.id
    assert said("easel/gone").code == ALLOWED_ENGINES_GONE.code


# --- pictures -----------------------------------------------------------------------------------------------------

WITH_PICTURE = [each for each in Operation if each.has_source]
EVERY = {**ENGINES, EDITOR.id: EDITOR, VARIER.id: VARIER}


def asked(operation: Operation, kind: SourceKind | None = SourceKind.ATTACHED) -> ImagineOptions:
    """A command for this operation with a picture of this kind."""
    source = None if kind is None else SourcePicture(7, kind, 1024, 1024)
    mask = SourcePicture(8, SourceKind.MASK, 1024, 1024) if operation.has_mask else None
    return ImagineOptions("a fox", operation=operation, source=source, mask=mask)


def problems(rules: Rules, options: ImagineOptions, here: Origin = HERE) -> list[Text]:
    return rules.problems(here, options, None, engines=EVERY, place=ANY_PLACE)


@pytest.mark.parametrize("operation", WITH_PICTURE)
@pytest.mark.parametrize("kind", [SourceKind.ATTACHED, SourceKind.MESSAGE, SourceKind.RESULT, None])
def test_a_server_decides_whose_pictures_are_allowed(operation: Operation, kind: SourceKind | None) -> None:
    def under(pictures: PicturesAllowed) -> list[Text]:
        return problems(Rules(pictures=pictures), asked(operation, kind))

    assert under(PicturesAllowed.ANYBODYS) == []
    assert under(PicturesAllowed.NOBODYS) == [NO_PICTURES()]
    assert under(PicturesAllowed.RESULTS) == ([ONLY_RESULTS()] if kind not in (SourceKind.RESULT, None) else [])


@pytest.mark.parametrize("pictures", PicturesAllowed)
def test_images_from_words_are_always_allowed(pictures: PicturesAllowed) -> None:
    assert problems(Rules(pictures=pictures), ImagineOptions("a fox")) == []


@pytest.mark.parametrize("pictures", PicturesAllowed)
def test_the_rule_is_stored(pictures: PicturesAllowed) -> None:
    assert Rules.from_json(Rules(pictures=pictures).to_json()) == Rules(pictures=pictures)


@pytest.mark.parametrize("operation", WITH_PICTURE)
@pytest.mark.parametrize("where", ["prompt", "negative", "search", "added", "style"])
def test_refused_words_are_found_in_everything_that_is_typed(operation: Operation, where: str) -> None:
    options = replace(asked(operation), **{where: "a knife"})  # type: ignore[arg-type]  # each is a text
    (problem,) = problems(Rules(refused=("knife",)), options)
    assert problem == WORD_REFUSED(word="knife")
    (problem,) = problems(Rules(restricted=("knife",)), options)
    assert problem == WORD_RESTRICTED(word="knife")
    assert problems(Rules(restricted=("knife",)), options, replace(HERE, age_restricted=True)) == []


def test_words_of_a_request_are_checked_as_they_are_sent() -> None:
    options = replace(asked(Operation.SEARCH_AND_REPLACE), search="a {kn}ife")
    doing = EDITOR.doing(Operation.SEARCH_AND_REPLACE)
    assert doing is not None
    made = plan(read_command(options), {EDITOR.id: doing}, EDITOR.id)
    assert [request.search for request in made.requests] == ["a {kn}ife"]
    sent = replace(made, requests=(replace(made.requests[0], search="a knife"),))
    assert Rules(refused=("knife",)).problems(HERE, options, sent, engines=EVERY, place=ANY_PLACE)


def test_a_server_whose_engines_cannot_do_it_is_named_as_the_reason() -> None:
    options = asked(Operation.SKETCH)
    doing = EDITOR.doing(Operation.SKETCH) or VARIER.doing(Operation.SKETCH)
    assert doing is not None
    made = plan(read_command(options), {doing.id: doing}, doing.id)
    found = Rules(engines=(CORE.id,)).problems(HERE, options, made, engines=EVERY, place=ANY_PLACE)
    assert [problem.code for problem in found] == [NO_ALLOWED_ENGINE.code]


@pytest.mark.parametrize("typed", ["a krak\u200ben", "the KRAKEN on the left"])
def test_words_that_say_what_to_replace_are_checked_too(typed: str) -> None:
    photo = SourcePicture(7, SourceKind.ATTACHED, 1024, 768)
    options = ImagineOptions("a fox", operation=Operation.SEARCH_AND_REPLACE, source=photo, search=typed)
    engine = EDITOR.doing(options.operation)
    assert engine is not None
    rules = Rules(refused=("kraken",))
    made = plan(read_command(options), {engine.id: engine}, engine.id)
    for each in (made, None):
        found = rules.problems(HERE, options, each, engines=EVERY, place=ANY_PLACE)
        assert [problem.code for problem in found] == [WORD_REFUSED.code]
