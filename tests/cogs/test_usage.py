"""/usage as an admin uses it, and the refusals for members."""

from __future__ import annotations

import csv
import gzip
import io
import re
import struct
from datetime import UTC, datetime

import discord
import pytest
import simcord

from bot.domain.edits import NAMES
from bot.domain.periods import NOT_A_PERIOD, SUGGESTED, date_text, span
from bot.domain.place import Origin
from bot.jobs.cancellation import ALREADY_ENDED, ALREADY_SENT, CANCELLED
from bot.jobs.circuit_breaker import FAILURES
from bot.jobs.service import NOT_IN_THIS_SERVER
from bot.operations import usage
from bot.providers.errors import Reason
from bot.providers.operations import Operation
from bot.servers.reports import CANCEL_OUTCOME, OPERATOR_ONLY, Asker
from bot.servers.settings import NOT_A_MANAGER
from bot.ui.cards.buttons import OLD_LIST
from bot.ui.cards.running import OUTAGES, RUNNING
from bot.ui.cards.usage import (
    ALL_SERVERS,
    NOTHING_MADE,
    ON_HOLD,
    PAGE,
    PERSON_TITLE,
    SPENT,
    SPENT_ESTIMATED,
    TITLE,
    WENT_WRONG,
    spent_text,
)
from bot.ui.cards.wording import IMAGES, JOBS
from fakes.services import Fault
from fakes.services.faults import Act, Status
from storage import ledger
from storage.reconcile import reconcile
from storage.reports import By, Figures
from tests.cogs.conftest import BASIC, CORE, MakeStudio, Studio, card, press_forged, settings, told
from tests.doubles.texts import shows

pytestmark = pytest.mark.slow

COMMANDS = ("usage report", "usage export", "usage jobs")


def show_to_all(studio: Studio, name: str) -> None:
    """Show a command to everybody, as a server's owner can."""
    commands = studio.env.backend.commands[None].values()
    next(each for each in commands if each["name"] == name)["default_member_permissions"] = None


def text_of(result: simcord.InteractionResult) -> str:
    return card(result).text


def file_of(studio: Studio, result: simcord.InteractionResult) -> tuple[str, bytes]:
    (attached,) = card(result).raw.attachments
    return attached.filename, studio.env.backend.cdn.get(attached.url) or b""


@pytest.mark.slow
@pytest.mark.parametrize("period", ["today", "this month", "30 days", "2026", "1500..2026", "0001..9999", "all time"])
async def test_a_report_shows_spending_by_person(studio: Studio, period: str) -> None:
    await studio.imagine(studio.ada, engine=BASIC)
    await studio.imagine(studio.ben, images=2)
    await studio.finish()
    result = await studio.admin.slash(studio.channel, "usage report", period=period)
    said = told(result).text
    assert shows(said, TITLE(place="The Studio", period=span(period, studio.clock.now()).text))
    assert shows(said, SPENT_ESTIMATED(spent=12_900, estimated=900))
    assert f"{JOBS(count=2)}, {IMAGES(count=3)}" in said
    ada, ben = (said.index(f"<@{person.id}>") for person in (studio.ada, studio.ben))
    assert ben < ada, "the most comes first"
    assert f"<@{studio.ben.id}>: 12 credits, {JOBS(count=1)}, {IMAGES(count=2)}" in said
    _, chart = file_of(studio, result)
    assert chart.startswith(b"\x89PNG")
    assert min(struct.unpack(">II", chart[16:24])) > 300
    (shown,) = told(result).images
    assert "12.9" in shown["description"]


@pytest.mark.parametrize(
    ("by", "line"),
    [
        ("engine", f"**Stable Image Core**: 12 credits, {JOBS(count=1)}, {IMAGES(count=2)}"),
        ("day", f"**{date_text(datetime(2026, 1, 1, tzinfo=UTC))}**: 12.9 credits"),
        ("channel", "<#{channel}>: 12.9 credits"),
        ("operation", "**{operation}**: 12.9 credits"),
    ],
)
async def test_a_report_can_be_grouped_otherwise(studio: Studio, by: str, line: str) -> None:
    await studio.imagine(studio.ada, engine=BASIC)
    await studio.imagine(studio.ben, images=2)
    await studio.finish()
    said = told(await studio.admin.slash(studio.channel, "usage report", by=by)).text
    new = NAMES[Operation.TEXT_TO_IMAGE]
    assert line.format(channel=studio.channel.id, operation=new) in said


async def test_failures_and_holds_are_listed_separately(slow_studio: Studio) -> None:
    studio = slow_studio
    await studio.imagine(studio.ada, images=2)
    await studio.begun(count=2)
    said = told(await studio.admin.slash(studio.channel, "usage report")).text
    assert shows(said, SPENT(spent=0))
    assert shows(said, ON_HOLD(held=12_000))
    assert f"<@{studio.ada.id}>: 0 credits, 12 " in said


async def test_the_buttons_of_a_report_work_after_a_restart(studio: Studio) -> None:
    await studio.imagine(studio.ada)
    await studio.finish()
    result = await studio.admin.slash(studio.channel, "usage report")
    await studio.restart()
    turned = await studio.press(studio.admin, card(result), "Engines")
    assert "**Stable Image Core**: 6 credits" in card(turned).text
    turned = await studio.press(studio.admin, card(turned), "Operations")
    assert f"**{NAMES[Operation.TEXT_TO_IMAGE]}**: 6 credits" in card(turned).text


@pytest.mark.parametrize(
    "custom_id",
    ["page:usage:1:user:0:all time", "page:usageby:1:user:0:all time", "page:drop:1:0:1"],
)
async def test_members_cannot_use_a_forged_button(slow_studio: Studio, custom_id: str) -> None:
    studio = slow_studio
    await studio.imagine(studio.ada)
    await studio.begun()
    refused = await press_forged(studio, studio.ben, custom_id)
    assert told(refused).text == str(NOT_A_MANAGER)
    assert told(await press_forged(studio, studio.admin, custom_id)).text != str(NOT_A_MANAGER)


@pytest.mark.parametrize(
    "custom_id",
    ["page:usage:1:user:1:all time", "page:drop:1:1:1", "page:usage:1:user:0:" + "x" * 41, "page:drop:1:0:x"],
)
async def test_a_forged_button_does_not_reach_other_servers(studio: Studio, custom_id: str) -> None:
    await studio.ada.user.slash("imagine", prompt="in a direct message")
    await studio.finish()
    said = told(await press_forged(studio, studio.admin, custom_id)).text
    assert shows(said, OPERATOR_ONLY) or shows(said, OLD_LIST)


async def test_a_long_report_has_pages(studio: Studio) -> None:
    async with studio.runtime.database.write() as tx:
        for number in range(1, 24):
            at = studio.clock.now()
            held = ledger.Hold(number, CORE, 6000)
            await ledger.hold(tx, held, user_id=10**17 + number, server_id=studio.server.id, at=at)
            await ledger.capture(tx, number, amount=1000 * number, exact=True, raw_amount=1, at=at)
    result = await studio.admin.slash(studio.channel, "usage report")
    assert shows(text_of(result), PAGE(page=1, pages=3, count=23))
    assert f"<@{10**17 + 23}>: 23 credits" in text_of(result)
    turned = await studio.press(studio.admin, card(result), "Next")
    assert shows(text_of(turned), PAGE(page=2, pages=3, count=23))
    assert f"<@{10**17 + 13}>: 13 credits" in text_of(turned)
    assert f"<@{10**17 + 14}>" not in text_of(turned)


async def test_usage_is_counted_by_server(studio: Studio) -> None:
    await studio.ada.user.slash("imagine", prompt="in a direct message")
    await studio.finish()
    said = told(await studio.admin.slash(studio.channel, "usage report")).text
    assert shows(said, NOTHING_MADE)


@pytest.mark.parametrize("name", [*COMMANDS, "usage user"])
async def test_members_are_refused_even_if_discord_shows_the_commands(studio: Studio, name: str) -> None:
    show_to_all(studio, "usage")
    options = {"user": studio.ada.user} if name == "usage user" else {}
    refused = told(await studio.ben.slash(studio.channel, name, **options)).text
    assert refused == str(NOT_A_MANAGER)
    assert told(await studio.admin.slash(studio.channel, name, **options)).text != refused


@pytest.mark.parametrize("name", COMMANDS)
async def test_only_the_operator_can_see_all_servers(studio: Studio, name: str) -> None:
    refused = told(await studio.admin.slash(studio.channel, name, everywhere=True)).text
    assert shows(refused, OPERATOR_ONLY)


async def test_the_report_for_all_servers_matches_the_command_line(studio: Studio) -> None:
    own_the_bot(studio, studio.admin)
    await studio.imagine(studio.ada)
    await studio.ada.user.slash("imagine", prompt="in a direct message")
    await studio.finish()
    said = told(await studio.admin.slash(studio.channel, "usage report", period="all time", everywhere=True)).text
    assert shows(said, TITLE(place=ALL_SERVERS, period=SUGGESTED["all time"]))
    assert shows(said, SPENT(spent=12_000))
    now = datetime.now(UTC)
    printed = await usage(settings(studio.environ), period="all time", by=By.USER, server_id=None, now=now)
    assert "12 credits" in printed[0]
    assert printed[-1].split() == [str(studio.ada.id), "12", "0", "2", "2", "0", "0", "0"]
    printed = await usage(settings(studio.environ), period="all time", by=By.OPERATION, server_id=None, now=now)
    assert printed[-1].split() == [Operation.TEXT_TO_IMAGE, "12", "0", "2", "2", "0", "0", "0"]


def own_the_bot(studio: Studio, person: simcord.MemberActor) -> None:
    application = studio.runtime.client.application
    assert application is not None
    application.team = None
    application.owner = discord.Object(person.id)  # type: ignore[assignment]  # of an owner the id alone is looked at


async def test_a_report_on_a_person_does_not_contain_prompts(studio: Studio) -> None:
    await studio.imagine(studio.ada, prompt="my secret garden", private=True)
    await studio.finish()
    said = told(await studio.admin.slash(studio.channel, "usage user", user=studio.ada.user)).text
    period = SUGGESTED["this month"]
    assert shows(said, PERSON_TITLE(person=f"<@{studio.ada.id}>", place="The Studio", period=period))
    assert f"**{spent_text(Figures(exact=6000))}**" in said
    assert "Stable Image Core: " in said.replace("*", "")
    assert "garden" not in said


@pytest.mark.parametrize("private", [True, False])
async def test_a_service_error_of_a_private_job_is_shown_only_to_its_author(studio: Studio, private: bool) -> None:
    """A service may repeat the prompt in a form that cannot be recognised."""
    says = Status(422, {"code": -1, "message": "MOON: we draw no gardens"})
    studio.stand_in.misbehave(Fault("aithriving.core", says))
    await studio.imagine(studio.ada, prompt="my secret garden", private=private)
    await studio.finish()
    said = told(await studio.admin.slash(studio.channel, "usage user", user=studio.ada.user)).text
    assert shows(said, WENT_WRONG)
    assert ("MOON" in said) is not private


@pytest.mark.parametrize(
    "says",
    [
        Status(500, {"code": -1, "message": "MOON broke"}),
        Status(200, {"code": -1, "message": "MOON: server error"}),
        Status(200, {"code": -1, "message": "MOON: invalid api key"}),
    ],
    ids=["500", "its fault", "key"],
)
async def test_the_reason_of_an_outage_is_in_our_own_words(studio: Studio, says: Act) -> None:
    studio.stand_in.misbehave(Fault("aithriving.core", says, times=FAILURES))
    people = (studio.ada, studio.ben, studio.admin)
    assert len(people) >= FAILURES
    for person in people[:FAILURES]:
        await studio.imagine(person, prompt="my secret garden", private=True)
        await studio.finish()
    (outage,) = studio.runtime.worker.outages()
    assert outage.reason in set(Reason)
    said = told(await studio.admin.slash(studio.channel, "usage jobs")).text
    assert shows(said, OUTAGES)
    assert "MOON" not in said
    assert "garden" not in said


async def test_the_export_is_safe_in_a_spreadsheet_and_matches_the_ledger(studio: Studio) -> None:
    await studio.imagine(studio.ada, engine=BASIC)
    await studio.imagine(studio.ben, images=2)
    await studio.finish()
    note = '=HYPERLINK("https://evil.example","@everyone")'
    await studio.admin.slash(studio.channel, "quota grant", user=studio.ada.user, credits=5, note=note)
    name, data = file_of(studio, await studio.admin.slash(studio.channel, "usage export", period="all time"))
    assert name == f"easel-{studio.server.id}-all-time.csv"
    lines = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"))))
    async with studio.runtime.database.read() as connection:
        books = await reconcile(connection)
    assert books.differences == []
    assert len(lines) == books.entries
    spent = sum(round(float(line["credits"]) * 1000) for line in lines if line["kind"] == "capture")
    held = sum(round(float(line["credits"]) * 1000) for line in lines if line["kind"] in {"hold", "release"})
    assert (spent, held) == (books.totals.spent, books.totals.in_flight)
    assert {line["provider_credits"] for line in lines if line["kind"] == "capture"} == {"6.000", "0.900"}
    (granted,) = [line for line in lines if line["kind"] == "grant"]
    assert granted["note"] == f"'{note}"
    assert granted["operation"] == ""
    assert {line["operation"] for line in lines if line["kind"] != "grant"} == {Operation.TEXT_TO_IMAGE.value}
    for line in lines:
        for cell in line.values():
            assert not cell.startswith(("=", "+", "@", "\t", "\r")), cell
            assert not cell.startswith("-") or re.fullmatch(r"-[0-9.]+", cell), cell


async def test_a_large_export_is_compressed(studio: Studio) -> None:
    await studio.imagine(studio.ada)
    await studio.finish()
    reports = studio.runtime.reports

    def asker(limit: int) -> Asker:
        origin = Origin(studio.admin.id, "grace", studio.server.id, studio.channel.id, limit, manage_server=True)
        return Asker(origin)

    name, plain = await reports.export(asker(2**20), "all time")
    assert name.endswith(".csv")
    name, packed = await reports.export(asker(len(plain) - 1), "all time")
    assert name.endswith(".csv.gz")
    assert gzip.decompress(packed) == plain


async def test_running_jobs_are_listed_and_can_be_cancelled(make_studio: MakeStudio) -> None:
    studio = await make_studio(seconds=None, AITHRIVING_JOBS="1")
    await studio.imagine(studio.ada, prompt="a secret", private=True)
    await studio.imagine(studio.ben, prompt="another one")
    await studio.begun()
    shown = await studio.admin.slash(studio.channel, "usage jobs")
    said = text_of(shown)
    assert shows(said, RUNNING(jobs=JOBS(count=2), waiting=1))
    first, second = (line for line in said.splitlines() if f"<#{studio.channel.id}>" in line)
    assert f"<@{studio.ada.id}>" in first
    assert f"<@{studio.ben.id}>" in second
    assert "secret" not in said
    assert card(shown).labels == ["Cancel job 2"]
    pressed = await studio.press(studio.admin, card(shown), "Cancel job 2")
    assert shows(text_of(pressed), CANCEL_OUTCOME(job=2, outcome=CANCELLED))
    assert shows(text_of(pressed), RUNNING(jobs=JOBS(count=1), waiting=0))
    too_late = text_of(await studio.admin.slash(studio.channel, "usage jobs", cancel=1))
    assert shows(too_late, CANCEL_OUTCOME(job=1, outcome=ALREADY_SENT))
    studio.stand_in.finish_all()
    await studio.finish()
    ended = text_of(await studio.admin.slash(studio.channel, "usage jobs", cancel=1))
    assert shows(ended, CANCEL_OUTCOME(job=1, outcome=ALREADY_ENDED))
    noted = told(await studio.admin.slash(studio.channel, "server log")).text
    assert f"**/usage cancel** <@{studio.ben.id}>" in noted


async def test_a_job_of_another_server_is_refused(slow_studio: Studio) -> None:
    studio = slow_studio
    await studio.ada.user.slash("imagine", prompt="in a direct message")
    await studio.begun()
    for number in (1, 99):
        result = await studio.admin.slash(studio.channel, "usage jobs", cancel=number)
        assert shows(told(result).text, NOT_IN_THIS_SERVER)


async def test_an_invalid_period_is_explained(studio: Studio) -> None:
    said = told(await studio.admin.slash(studio.channel, "usage report", period="next `week`")).text
    assert said == str(NOT_A_PERIOD)
