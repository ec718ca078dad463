"""The migration of an older version's database: nothing is lost or sent twice, and old buttons work."""

from __future__ import annotations

import asyncio
import io
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import discord
import pytest
from simcord.results import ResponseMessage

from fakes.services import Picture, flat
from tests.cogs.conftest import MakeStudio, Shown, Studio, card, told
from tests.storage.version_0008 import AI_CLIENT, Version0008

pytestmark = pytest.mark.slow

WAITING = ("cancel",)
RESULT = ("again", "edit", "details", "delete")
PRIVATE_RESULT = (*RESULT, "share")
IMAGE, PNG = "1-0-0.png", flat(Picture("a fox", "", "", 1, 64, 64))


@dataclass
class OldWorld:
    """The studio with data of the old version: messages on Discord and rows in the database."""

    studio: Studio
    data: Path

    async def message(self, job_id: int, buttons: tuple[str, ...], *, picture: bool = False) -> discord.Message:
        """Send a message as the bot with the old version's buttons. The bot must be running."""
        view = discord.ui.LayoutView(timeout=None)
        files = []
        if picture:
            files.append(discord.File(io.BytesIO(PNG), f"shown-{job_id}.png"))
            view.add_item(discord.ui.MediaGallery(discord.MediaGalleryItem(f"attachment://shown-{job_id}.png")))
        rows = [discord.ui.Button[Any](label=name, custom_id=f"easel:{name}:{job_id}") for name in buttons]
        if rows:
            view.add_item(discord.ui.ActionRow(*rows))
        view.stop()
        channel = self.studio.runtime.client.get_partial_messageable(self.studio.channel.id)
        with self.studio.env.time_context():
            return await channel.send(view=view, files=files)

    def database(self) -> Version0008:
        """An empty database of the old version."""
        studio = self.studio
        return Version0008(
            user_id=studio.ada.id, server_id=studio.server.id, channel_id=studio.channel.id, at=studio.clock.now()
        )

    async def go_on(self, database: Version0008) -> None:
        """Stop the bot, replace its data by the old data, start it again and wait until it is idle."""
        await self.studio.parts.aclose()
        await asyncio.to_thread(self._replace, database)
        await self.studio.restart()
        await self.finish()

    async def finish(self) -> None:
        """Let the image services and the bot finish all work."""
        finishing = asyncio.create_task(self.studio.finish())
        while not finishing.done():
            self.studio.stand_in.finish_all()
            await asyncio.sleep(0.01)
        await finishing

    def _replace(self, database: Version0008) -> None:
        for file in self.data.glob("easel.db*"):
            file.unlink()
        database.write(self.data / "easel.db")
        self.file.parent.mkdir(exist_ok=True)
        self.file.write_bytes(PNG)

    @property
    def file(self) -> Path:
        """The finished image of job 1."""
        return self.data / "images" / IMAGE

    def message_of(self, job_id: int) -> Shown:
        """The only message with the result of a job."""
        (found,) = self.messages_of(job_id)
        return found

    def messages_of(self, job_id: int) -> list[Shown]:
        """All messages in the channel and in Ada's DMs with a Details button of this job."""
        studio = self.studio
        dm = studio.env.backend.get_dm_channel(studio.ada.id)
        raw = [
            message
            for channel in (studio.channel.id, dm.id)
            for message in studio.env.backend.messages.get(channel, {}).values()
        ]
        shown = [Shown(ResponseMessage(studio.env, message)) for message in raw]
        return [each for each in shown if f"easel:details:{job_id}" in custom_ids(each)]

    async def spent(self) -> int:
        """The captured millicredits in the ledger, once nothing is held any more."""
        return await asyncio.to_thread(self._spent)

    def _spent(self) -> int:
        with closing(sqlite3.connect(self.data / "easel.db")) as connection:
            held, captured = connection.execute(
                "SELECT sum(amount), sum(CASE WHEN kind = 'capture' THEN amount ELSE 0 END) FROM ledger"
            ).fetchone()
        assert held == captured
        return int(captured or 0)


def custom_ids(shown: Shown) -> list[str]:
    return [part["custom_id"] for part in shown.parts if part["type"] == 2 and "custom_id" in part]


@pytest.fixture
async def old(make_studio: MakeStudio, tmp_path: Path) -> OldWorld:
    """The old world; its image services finish on the test's command."""
    return OldWorld(await make_studio(seconds=None), tmp_path)


async def test_an_unsent_request_is_sent_once_and_shown(old: OldWorld) -> None:
    waiting = await old.message(1, WAITING)
    database = old.database()
    database.submission(database.job("working", message_id=waiting.id), "queued")
    await old.go_on(database)
    assert len(old.studio.stand_in.calls_to("aithriving.core")) == 1
    shown = old.message_of(1)
    assert shown.raw.id == waiting.id
    assert len(shown.images) == 1
    assert await old.spent() == 6000


async def test_a_rendering_request_is_fetched_and_not_sent_again(old: OldWorld) -> None:
    studio = old.studio
    result = await studio.imagine(engine=AI_CLIENT, private=True)
    await studio.stand_in.called("ai-client.entries")
    thread = studio.stand_in.calls_to("ai-client.entry")[0].path.split("/")[4]
    (request,) = studio.stand_in.renderings.by_guid
    database = old.database()
    job = database.job("working", message_id=card(result).raw.id, token=result._interaction.token, private=True)
    database.submission(job, "rendering", engine=AI_CLIENT, handle={"thread": thread, "request": request, "images": 1})
    await old.go_on(database)
    assert len(studio.stand_in.calls_to("ai-client.entry")) == 1
    shown = old.message_of(1)
    assert shown.private
    assert len(shown.images) == 1
    assert await old.spent() == 5000


async def test_a_lost_response_of_a_service_without_lookup_is_free(old: OldWorld) -> None:
    waiting = await old.message(1, WAITING)
    database = old.database()
    job = database.job("working", message_id=waiting.id)
    database.submission(job, "submitting", handle={"engine": "aithriving/core"})
    await old.go_on(database)
    assert old.studio.stand_in.calls_to("aithriving.core") == []
    assert old.message_of(1).raw.id == waiting.id
    assert await old.spent() == 0


async def test_a_finished_result_is_shown_once(old: OldWorld) -> None:
    waiting = await old.message(1, WAITING)
    database = old.database()
    database.submission(database.job("ready", message_id=waiting.id), "done", file=IMAGE)
    await old.go_on(database)
    shown = old.message_of(1)
    assert shown.raw.id == waiting.id
    assert len(shown.images) == 1
    assert await old.spent() == 6000


async def test_a_new_message_is_not_sent_again(old: OldWorld) -> None:
    """The old version recorded the attempt and posted the message, then the process died."""
    waiting = await old.message(1, WAITING)
    posted = await old.message(1, RESULT, picture=True)
    database = old.database()
    note = "begun: posted as a new message, since the card was deleted"
    job = database.job("ready", message_id=waiting.id, delivery_nonce="1-post", note=note)
    database.submission(job, "done", file=IMAGE)
    await old.go_on(database)
    assert old.message_of(1).raw.id == posted.id
    link = f"https://discord.com/channels/{old.studio.server.id}/{old.studio.channel.id}/{posted.id}"
    assert link in str(card(await old.studio.ada.slash(old.studio.channel, "history")).raw.components)


async def test_a_successful_edit_is_recognised(old: OldWorld) -> None:
    """The card shows the result with the old version's buttons, but the process died before recording it."""
    shown = await old.message(1, RESULT, picture=True)
    database = old.database()
    database.submission(database.job("ready", message_id=shown.id), "done", file=IMAGE)
    old.studio.env.inject_error("PATCH", "/channels/*/messages/*", status=403, code=50001)
    await old.go_on(database)
    assert old.message_of(1).raw.id == shown.id
    assert "easel:show:1" not in custom_ids(card(await old.studio.ada.slash(old.studio.channel, "history")))


async def test_an_undelivered_result_is_in_the_history(old: OldWorld) -> None:
    studio = old.studio
    database = old.database()
    job = database.job("kept", message_id=4711, note="kept: the card was deleted")
    database.submission(job, "done", file=IMAGE)
    await old.go_on(database)
    history = card(await studio.ada.slash(studio.channel, "history"))
    shown = told(await studio.ada.click(history.raw, custom_id="easel:show:1"))
    assert len(shown.images) == 1
    assert "easel:show:1" not in custom_ids(card(await studio.ada.slash(studio.channel, "history")))


async def test_a_late_private_result_respects_the_direct_message_setting(old: OldWorld) -> None:
    for setting, messages in (("never", 0), ("late results", 1)):
        database = old.database()
        database.submission(database.job("ready", message_id=4711, private=True), "done", file=IMAGE)
        database.user_settings({"messages": setting})
        await old.go_on(database)
        assert len(old.messages_of(1)) == messages


async def test_server_rules_still_apply(old: OldWorld) -> None:
    database = old.database()
    database.server_settings({"privacy": "always private"})
    await old.go_on(database)
    assert card(await old.studio.imagine()).private


@pytest.mark.parametrize("button", ["again", "edit", "details"])
async def test_the_buttons_of_an_old_result_work(old: OldWorld, button: str) -> None:
    shown = await old.message(1, RESULT, picture=True)
    database = old.database()
    job = database.job("delivered", message_id=shown.id, note="edited by the interaction's token")
    database.submission(job, "done", file=IMAGE)
    await old.go_on(database)
    pressed = await old.studio.ada.click(shown, custom_id=f"easel:{button}:1")
    await old.finish()
    if button == "again":
        assert len(card(pressed).images) == 1
        assert await old.spent() == 12_000
    elif button == "edit":
        assert pressed.modal is not None
        assert "a fox" in str(pressed.modal)
    else:
        assert "a fox" in told(pressed).text


async def test_an_old_result_can_be_deleted(old: OldWorld) -> None:
    shown = await old.message(1, RESULT, picture=True)
    database = old.database()
    job = database.job("delivered", message_id=shown.id, note="edited by the interaction's token")
    database.submission(job, "done", file=IMAGE)
    await old.go_on(database)
    question = told(await old.studio.ada.click(shown, custom_id="easel:delete:1"))
    await old.studio.ada.click(question.raw, label=question.labels[0])
    assert old.messages_of(1) == []
    assert not await asyncio.to_thread(old.file.exists)
    assert await old.spent() == 6000


async def test_an_old_proposal_can_be_confirmed(old: OldWorld) -> None:
    proposal = await old.message(1, ("confirm", "cancel"))
    database = old.database()
    database.job("proposed", message_id=proposal.id, prompt="a {red, blue} car", planned=("a red car", "a blue car"))
    await old.go_on(database)
    assert old.studio.stand_in.calls == []
    await old.studio.ada.click(proposal, custom_id="easel:confirm:1")
    await old.finish()
    assert len(old.message_of(1).images) == 2
    assert await old.spent() == 12_000


async def test_a_lapsed_proposal_stays_lapsed(old: OldWorld) -> None:
    proposal = await old.message(1, ("confirm", "cancel"))
    database = old.database()
    database.job("lapsed", message_id=proposal.id, planned=("a fox",), note="its price was not confirmed in time")
    await old.go_on(database)
    await old.studio.ada.click(proposal, custom_id="easel:confirm:1")
    assert old.studio.stand_in.calls == []
    assert await old.spent() == 0


@pytest.mark.parametrize("arrived", [True, False])
async def test_an_unfinished_share_is_not_posted_twice(old: OldWorld, arrived: bool) -> None:
    studio = old.studio
    private = await old.message(1, PRIVATE_RESULT)
    begun = await old.message(1, RESULT if arrived else (), picture=True)
    database = old.database()
    job = database.job(
        "delivered",
        message_id=private.id,
        private=True,
        note="edited by the interaction's token",
        share_state="posting",
        share_server_id=studio.server.id,
        share_channel_id=studio.channel.id,
        share_message_id=begun.id,
    )
    database.submission(job, "done", file=IMAGE)
    await old.go_on(database)
    pressed = await studio.ada.click(private, custom_id="easel:share:1")
    public = [shown for shown in old.messages_of(1) if shown.raw.id != private.id and not shown.private]
    (shared,) = public
    assert len(shared.images) == 1
    assert (shared.raw.id == begun.id) is arrived
    if arrived:
        assert str(begun.id) in told(pressed).text


async def test_details_of_unsuccessful_jobs_remain(old: OldWorld) -> None:
    """Details of failed, cancelled and unknown requests can still be opened, and they cost nothing."""
    cards = [await old.message(number, RESULT) for number in (1, 2, 3)]
    database = old.database()
    for status, shown in zip(("failed", "cancelled", "unknown"), cards, strict=True):
        job = database.job("delivered", message_id=shown.id, note="edited by the bot itself")
        database.submission(job, status, error=f"The service said: {status} for good reason.")
    database.job("deleted", message_id=4711, prompt="")
    await old.go_on(database)
    for number, shown in enumerate(cards, 1):
        details = told(await old.studio.ada.click(shown, custom_id=f"easel:details:{number}"))
        assert "a fox" in details.text
    history = custom_ids(card(await old.studio.ada.slash(old.studio.channel, "history")))
    assert {f"easel:again:{number}" for number in (1, 2, 3)} <= set(history)
    assert not [name for name in history if name.endswith(":4")]
    assert old.studio.stand_in.calls == []
    assert await old.spent() == 0
