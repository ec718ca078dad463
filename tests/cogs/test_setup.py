"""/setup: the panel, what Save stores, and the test image with its checklist."""

from __future__ import annotations

from typing import Any

import discord
import pytest
import simcord

from bot.domain.periods import Period
from bot.domain.place import Origin
from bot.domain.rules import NO_RULES, OTHER_CHANNELS, WORD_REFUSED, PicturesAllowed, Privacy
from bot.domain.word_filter import WORD_TOO_SHORT
from bot.errors import UserError
from bot.jobs.limits import LimitKind
from bot.servers.setup import STARTER_WORDS
from bot.text import credits_text
from bot.ui.admin import CHANGED_BY, LIMIT_REMOVED_FOR, LIMIT_SET, NOT_LOGGED
from bot.ui.cards.access import I_MAY_NOT
from bot.ui.cards.buttons import CHANGE_SETUP, OTHER_AMOUNTS, OWN_WORDS, SAVE_SETUP, TEST_IMAGE, ServerButton, server_id
from bot.ui.cards.server import CHANGE, PICTURES, TITLES, limits_text, subject_text
from bot.ui.cards.setup import (
    ALL_FINE,
    CHANNEL,
    DELIVERED,
    DELIVERED_PRIVATELY,
    ENGINE_DONE,
    ENGINE_FAILED,
    ENGINE_WORKS,
    LIMITED,
    NO_LIMIT,
    NOT_LIMITED,
    NOTHING_CHANGED,
    OVER_LIMIT,
    PANEL,
    SAVED,
)
from bot.ui.interactions import PERMISSION_NAMES
from bot.ui.setup_panel import CHANGED_MEANWHILE, CHOICES_LOST, FOR_MANAGERS_ONLY, NOT_AN_AMOUNT, read_amount
from fakes.services import Fault
from fakes.services.faults import Status
from storage.settings import Quota, Subject
from tests.cogs.conftest import MakeStudio, Shown, Studio, card, engine, told
from tests.doubles.forms import fields, filled, send
from tests.doubles.texts import codes, shows

pytestmark = pytest.mark.slow

CORE_PRICE = 6000
PERSON, SERVER = 10 * CORE_PRICE, 300 * CORE_PRICE
"""The suggested limits, in millicredits."""


class Panel:
    """The panel that an admin has opened."""

    def __init__(self, studio: Studio, opened: simcord.InteractionResult) -> None:
        self.studio = studio
        self.opened = opened

    @property
    def shown(self) -> Shown:
        return told(self.opened)

    def chosen(self, menu: str) -> list[str]:
        """The values that a menu shows as chosen."""
        (part,) = [each for each in self.shown.parts if each.get("custom_id") == server_id(menu)]
        ids = [str(each["id"]) for each in part.get("default_values", [])]
        return ids + [each["value"] for each in part.get("options", []) if each.get("default")]

    async def choose(self, menu: str, *values: Any) -> None:
        await self.studio.admin.select(self.shown.raw, list(values), custom_id=server_id(menu))

    async def press(self, button: ServerButton) -> simcord.InteractionResult:
        return await self.studio.press(self.studio.admin, self.shown, str(button.label))

    async def fill(self, button: ServerButton, *typed: str) -> simcord.InteractionResult:
        """Open the form of a button and type into its first fields."""
        shown = await self.press(button)
        names = [name.replace(" ", "_") for name in fields(shown)]
        return await send(self.studio.admin, shown, **dict(zip(names, typed, strict=False)))


async def opened(studio: Studio) -> Panel:
    return Panel(studio, await studio.admin.slash(studio.channel, "setup"))


def quotas(studio: Studio) -> dict[Subject, int | None]:
    return {quota.subject: quota.credits for quota in studio.runtime.servers.quotas(studio.server.id)}


async def test_the_panel_suggests_limits_and_changes_nothing_before_save(studio: Studio) -> None:
    panel = await opened(studio)
    assert panel.shown.private
    assert shows(panel.shown.text, PANEL)
    assert panel.chosen("person") == [str(PERSON)]
    assert panel.chosen("server") == [str(SERVER)]
    assert panel.chosen("privacy") == [Privacy.FREE.value]
    assert panel.chosen("starter") == ["0"]
    assert panel.chosen("channels") == panel.chosen("roles") == []
    await panel.choose("privacy", Privacy.FORCED.value)
    assert studio.runtime.servers.rules(studio.server.id) == NO_RULES
    assert quotas(studio) == {}


async def test_save_stores_the_choices_and_they_apply(studio: Studio) -> None:
    art = studio.server.create_text_channel("art")
    artists = studio.server.create_role("Artists")
    panel = await opened(studio)
    await panel.choose("channels", art)
    await panel.choose("roles", artists)
    await panel.choose("starter", "1")
    assert panel.chosen("channels") == [str(art.id)]
    assert panel.chosen("roles") == [str(artists.id)]
    await panel.press(SAVE_SETUP)
    rules = studio.runtime.servers.rules(studio.server.id)
    assert (rules.channels, rules.roles, rules.refused) == ((art.id,), (artists.id,), STARTER_WORDS)
    assert (rules.period, rules.period_of_server) == (Period.DAY, Period.MONTH)
    assert quotas(studio) == {Subject.DEFAULT: PERSON, Subject.SERVER: SERVER}
    said = panel.shown.text
    assert shows(said, SAVED)
    assert shows(said, CHANGE(rule=TITLES["channels"], value=f"<#{art.id}>"))
    limits = (
        (Quota(Subject.DEFAULT, credits=PERSON), Period.DAY),
        (Quota(Subject.SERVER, credits=SERVER), Period.MONTH),
    )
    for quota, period in limits:
        assert shows(said, LIMIT_SET(who=subject_text(quota), limits=limits_text(quota, period)))
    refused = told(await studio.imagine(studio.ada, prompt="a nude study")).text
    assert shows(refused, OTHER_CHANNELS(channels=["#art"]))
    assert shows(refused, WORD_REFUSED(word="nude"))
    await studio.restart()
    uses = studio.runtime.servers.in_force(_origin(studio)).credits
    assert {(use.kind, use.most, use.period) for use in uses} == {
        (LimitKind.SERVER_USER, PERSON, Period.DAY),
        (LimitKind.SERVER, SERVER, Period.MONTH),
    }


async def test_saved_settings_are_shown_again_and_can_be_removed(studio: Studio) -> None:
    art = studio.server.create_text_channel("art")
    panel = await opened(studio)
    await panel.choose("channels", art)
    await panel.choose("starter", "1")
    await panel.press(SAVE_SETUP)
    await panel.press(CHANGE_SETUP)
    assert panel.chosen("channels") == [str(art.id)]
    assert panel.chosen("starter") == ["1"]
    await panel.choose("channels")
    await panel.choose("starter", "0")
    await panel.choose("person", NO_LIMIT)
    await panel.press(SAVE_SETUP)
    rules = studio.runtime.servers.rules(studio.server.id)
    assert (rules.channels, rules.refused) == ((), ())
    assert quotas(studio) == {Subject.SERVER: SERVER}
    assert shows(panel.shown.text, LIMIT_REMOVED_FOR(who=subject_text(Quota(Subject.DEFAULT))))


async def test_saving_twice_changes_nothing(studio: Studio) -> None:
    panel = await opened(studio)
    await panel.press(SAVE_SETUP)
    again = await opened(studio)
    await again.press(SAVE_SETUP)
    assert shows(again.shown.text, NOTHING_CHANGED)


async def test_other_amounts_can_be_typed(studio: Studio) -> None:
    panel = await opened(studio)
    await panel.fill(OTHER_AMOUNTS, "12.5", "none")
    assert panel.chosen("person") == ["12500"]
    assert panel.chosen("server") == [NO_LIMIT]
    refused = await panel.fill(OTHER_AMOUNTS, "a lot")
    assert shows(told(refused).text, NOT_AN_AMOUNT(typed="a lot"))
    await panel.press(SAVE_SETUP)
    assert quotas(studio) == {Subject.DEFAULT: 12_500}


async def test_own_words_are_added_to_the_starter_list(studio: Studio) -> None:
    panel = await opened(studio)
    await panel.fill(OWN_WORDS, "ugly, gun*")
    await panel.choose("starter", "1")
    refused = await panel.fill(OWN_WORDS, "*")
    assert shows(told(refused).text, WORD_TOO_SHORT)
    await panel.press(SAVE_SETUP)
    assert studio.runtime.servers.rules(studio.server.id).refused == (*STARTER_WORDS, "ugly", "gun*")
    await panel.press(CHANGE_SETUP)
    await panel.choose("starter", "0")
    await panel.press(SAVE_SETUP)
    assert studio.runtime.servers.rules(studio.server.id).refused == ("ugly", "gun*")


async def test_limits_of_roles_keep_their_period(studio: Studio) -> None:
    role = studio.server.create_role("Artists")
    await studio.admin.slash(studio.channel, "quota set", role=role, credits=100, period="week")
    panel = await opened(studio)
    await panel.press(SAVE_SETUP)
    rules = studio.runtime.servers.rules(studio.server.id)
    assert (rules.period, rules.period_of_server) == (Period.WEEK, Period.MONTH)


async def test_the_operators_limits_bound_the_suggestions(make_studio: MakeStudio) -> None:
    studio = await make_studio(USER_DAILY_CREDITS="40", SERVER_MONTHLY_CREDITS="50")
    panel = await opened(studio)
    assert panel.chosen("person") == ["30000"], "five images; ten would be more than the operator allows"
    assert panel.chosen("server") == ["50000"]


async def test_changes_are_in_the_log_and_the_log_channel(studio: Studio) -> None:
    diary = studio.server.create_text_channel("diary")
    await studio.admin.slash(studio.channel, "server set", log_channel=diary)
    panel = await opened(studio)
    await panel.choose("privacy", Privacy.FORCED.value)
    await panel.press(SAVE_SETUP)
    assert not shows(panel.shown.text, NOT_LOGGED)
    posted = diary.last_message
    assert posted is not None
    assert shows(str([component.to_dict() for component in posted.components]), CHANGED_BY)
    noted = told(await studio.admin.slash(studio.channel, "server log")).text
    assert f"**/setup** {subject_text(Quota(Subject.SERVER))}, {credits_text(SERVER)}" in noted
    assert "**/setup** Private" in noted


async def test_whose_pictures_are_allowed_is_chosen_and_saved(studio: Studio) -> None:
    panel = await opened(studio)
    assert panel.chosen("pictures") == [PicturesAllowed.ANYBODYS.value]
    await panel.choose("pictures", PicturesAllowed.RESULTS.value)
    await panel.press(SAVE_SETUP)
    assert studio.runtime.servers.rules(studio.server.id).pictures is PicturesAllowed.RESULTS
    assert str(CHANGE(rule=TITLES["pictures"], value=PICTURES[PicturesAllowed.RESULTS])) in panel.shown.text


async def test_after_a_restart_the_panel_never_saves_unseen_choices(studio: Studio) -> None:
    panel = await opened(studio)
    await panel.choose("privacy", Privacy.FORCED.value)
    await studio.restart()
    await panel.press(SAVE_SETUP)
    assert shows(panel.shown.text, CHOICES_LOST)
    assert studio.runtime.servers.rules(studio.server.id) == NO_RULES
    assert quotas(studio) == {}
    await panel.choose("privacy", Privacy.FORBIDDEN.value)
    await panel.press(SAVE_SETUP)
    assert studio.runtime.servers.rules(studio.server.id).privacy is Privacy.FORBIDDEN


async def test_save_keeps_what_another_admin_has_changed_meanwhile(studio: Studio) -> None:
    panel = await opened(studio)
    await panel.fill(OWN_WORDS, "ugly")
    art = studio.server.create_text_channel("art")
    await studio.admin.slash(studio.channel, "server set", refused_words="gun*", channels="#art")
    await panel.choose("privacy", Privacy.FORCED.value)
    assert panel.chosen("channels") == [str(art.id)]
    assert not shows(panel.shown.text, CHANGED_MEANWHILE)
    await studio.admin.slash(studio.channel, "server set", refused_words="gun*, knife")
    await panel.press(SAVE_SETUP)
    rules = studio.runtime.servers.rules(studio.server.id)
    assert (rules.channels, rules.privacy, rules.refused) == ((art.id,), Privacy.FORCED, ("gun*", "knife", "ugly"))
    assert not shows(panel.shown.text, CHANGE(rule=TITLES["channels"], value=f"<#{art.id}>"))


async def test_a_choice_that_another_admin_has_changed_too_is_shown_first(studio: Studio) -> None:
    panel = await opened(studio)
    assert panel.chosen("person") == [str(PERSON)], "suggested"
    await studio.admin.slash(studio.channel, "quota set", **{"for": Subject.DEFAULT.value}, credits=2, period="day")
    await panel.press(SAVE_SETUP)
    assert shows(panel.shown.text, CHANGED_MEANWHILE)
    assert panel.chosen("person") == ["2000"]
    assert quotas(studio) == {Subject.DEFAULT: 2000}
    await panel.press(SAVE_SETUP)
    assert quotas(studio) == {Subject.DEFAULT: 2000, Subject.SERVER: SERVER}


async def test_a_form_changes_only_what_was_typed_into_it(studio: Studio) -> None:
    panel = await opened(studio)
    form = await panel.press(OTHER_AMOUNTS)
    await studio.admin.slash(studio.channel, "quota set", **{"for": Subject.DEFAULT.value}, credits=2, period="day")
    person, server = (name.replace(" ", "_") for name in fields(form))
    await send(studio.admin, form, **{person: str(PERSON // 1000), server: "99"})
    await panel.press(SAVE_SETUP)
    assert quotas(studio) == {Subject.DEFAULT: 2000, Subject.SERVER: 99_000}


async def test_the_form_keeps_the_words_that_another_admin_has_added_meanwhile(studio: Studio) -> None:
    await studio.admin.slash(studio.channel, "server set", refused_words="ugly, gun*")
    panel = await opened(studio)
    form = await panel.press(OWN_WORDS)
    await studio.admin.slash(studio.channel, "server set", refused_words="ugly, gun*, knife")
    await send(studio.admin, form, Words="gun*, blood")
    await panel.press(SAVE_SETUP)
    assert studio.runtime.servers.rules(studio.server.id).refused == ("gun*", "knife", "blood")


async def test_the_form_loses_no_words(studio: Studio) -> None:
    words = ",".join(f"{number:03}" + "x" * 36 for number in range(100))
    assert len(words) <= 4000 < len(words.replace(",", ", "))
    await studio.admin.slash(studio.channel, "server set", refused_words=words)
    form = await (await opened(studio)).press(OWN_WORDS)
    assert filled(form)["Words"] == words


async def test_members_are_refused_even_if_discord_shows_the_command(studio: Studio) -> None:
    commands = studio.env.backend.commands[None].values()
    next(each for each in commands if each["name"] == "setup")["default_member_permissions"] = None
    assert shows(told(await studio.ben.slash(studio.channel, "setup")).text, FOR_MANAGERS_ONLY)


@pytest.mark.parametrize("action", ["save", "change", "amounts", "own-words", "test", "channels", "person", "starter"])
async def test_a_member_cannot_forge_the_panel(studio: Studio, action: str) -> None:
    view = discord.ui.LayoutView(timeout=None)
    view.add_item(discord.ui.ActionRow(discord.ui.Button[Any](label="Forged", custom_id=server_id(action))))
    view.stop()
    with studio.env.time_context():
        message = await studio.runtime.client.get_partial_messageable(studio.channel.id).send(view=view)
    pressed = await studio.ben.click(message, label="Forged")
    assert pressed.modal is None
    assert told(pressed).text
    assert studio.runtime.servers.rules(studio.server.id) == NO_RULES
    assert quotas(studio) == {}
    assert studio.stand_in.calls == []


@pytest.mark.parametrize(
    ("typed", "amount"),
    [("50", 50_000), (" 1.5 ", 1500), ("1,5", 1500), ("1,000", 1_000_000), ("0", 0), ("", None), ("none", None)],
)
def test_typed_amounts(typed: str, amount: int | None) -> None:
    assert read_amount(typed) == amount


@pytest.mark.parametrize("typed", ["much", "-5", "1e9", "5 credits", "1.2345", "٣"])
def test_what_is_no_amount(typed: str) -> None:
    with pytest.raises(UserError) as caught:
        read_amount(typed)
    assert codes(caught.value) == [NOT_AN_AMOUNT.code]


# --- the test image -----------------------------------------------------------------------------------------------


async def tested(studio: Studio) -> simcord.InteractionResult:
    """Save the suggestions, make the test image, and return the answer with the checklist."""
    panel = await opened(studio)
    await panel.press(SAVE_SETUP)
    return await panel.press(TEST_IMAGE)


def checked(result: simcord.InteractionResult) -> str:
    return told(result).text


async def test_the_test_image_ticks_off_the_checklist(slow_studio: Studio) -> None:
    studio = slow_studio
    result = await tested(studio)
    name = engine(studio, "aithriving/core").name
    assert shows(checked(result), ENGINE_WORKS(engine=name))
    assert shows(checked(result), LIMITED)
    await studio.begun()
    studio.stand_in.finish_all()
    await studio.finish()
    said = checked(result)
    for words in (ENGINE_DONE(engine=name), DELIVERED, ALL_FINE):
        assert shows(said, words)
    assert len(card(result).images) == 1
    assert (await studio.job()).user_id == studio.admin.id


async def test_a_dismissed_checklist_does_not_disturb_the_delivery(
    slow_studio: Studio, caplog: pytest.LogCaptureFixture
) -> None:
    studio = slow_studio
    result = await tested(studio)
    await studio.begun()
    path = f"/webhooks/*/*/messages/{told(result).raw.id}"
    studio.env.inject_error("PATCH", path, status=404, code=10008)
    studio.stand_in.finish_all()
    await studio.finish()
    assert len(card(result).images) == 1
    assert shows(checked(result), ENGINE_WORKS), "it could not be edited"
    assert "delivery.not_reported" not in caplog.text


async def test_a_private_test_image_is_delivered_to_the_admin(studio: Studio) -> None:
    panel = await opened(studio)
    await panel.choose("privacy", Privacy.FORCED.value)
    await panel.press(SAVE_SETUP)
    result = await panel.press(TEST_IMAGE)
    await studio.finish()
    assert shows(checked(result), DELIVERED_PRIVATELY)


async def test_a_channel_that_is_not_allowed_is_named(studio: Studio) -> None:
    art = studio.server.create_text_channel("art")
    panel = await opened(studio)
    await panel.choose("channels", art)
    await panel.press(SAVE_SETUP)
    said = checked(await panel.press(TEST_IMAGE))
    assert shows(said, CHANNEL)
    assert shows(said, OTHER_CHANNELS(channels=["#art"]))
    assert studio.stand_in.calls == []


async def test_missing_permissions_are_named(studio: Studio) -> None:
    me = studio.runtime.client.user
    assert me is not None
    closed = studio.server.create_text_channel(
        "closed", overwrites={me: discord.PermissionOverwrite(attach_files=False)}
    )
    panel = Panel(studio, await studio.admin.slash(closed, "setup"))
    await panel.press(SAVE_SETUP)
    said = checked(await panel.press(TEST_IMAGE))
    assert shows(said, I_MAY_NOT(permissions=[PERMISSION_NAMES["attach_files"]]))
    assert not shows(said, ALL_FINE)
    assert studio.stand_in.calls == []


async def test_a_limit_that_is_too_low_is_named(studio: Studio) -> None:
    await studio.admin.slash(studio.channel, "quota set", credits=1)
    said = checked(await tested(studio))
    assert shows(said, OVER_LIMIT)
    assert studio.stand_in.calls == []


async def test_a_failing_engine_is_named(studio: Studio) -> None:
    studio.stand_in.misbehave(Fault("aithriving.core", Status(400)))
    result = await tested(studio)
    await studio.finish()
    said = checked(result)
    assert shows(said, ENGINE_FAILED(engine=engine(studio, "aithriving/core").name))
    assert not shows(said, ALL_FINE)


async def test_no_limit_is_a_warning(studio: Studio) -> None:
    panel = await opened(studio)
    await panel.choose("person", NO_LIMIT)
    await panel.choose("server", NO_LIMIT)
    await panel.press(SAVE_SETUP)
    result = await panel.press(TEST_IMAGE)
    await studio.finish()
    assert shows(checked(result), NOT_LIMITED)


def _origin(studio: Studio) -> Origin:
    return Origin(studio.ada.id, "ada", studio.server.id, studio.channel.id, 1)
