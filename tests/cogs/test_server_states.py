"""The servers of free engines in /usage jobs: silent, idle or busy, with what waits for them, and no address."""

from __future__ import annotations

import asyncio

from bot.jobs.cancellation import STOPPING
from bot.providers.base import Waiting
from bot.providers.errors import Reason
from bot.providers.server_states import ServerState, Silence
from bot.servers.reports import CANCEL_OUTCOME
from bot.ui.cards.layout import facts
from bot.ui.cards.running import (
    BUSY,
    CAUSES,
    FOR_ANY,
    IDLE,
    LOADED,
    NO_ENGINES,
    NOTHING_RUNS,
    NUMBERED,
    OWN_PLACE,
    OWN_QUEUE,
    SERVER,
    SERVERS,
    SILENT,
    WAITING,
)
from bot.ui.cards.wording import moment
from tests.cogs.conftest import MakeStudio, Studio, told
from tests.doubles.free_provider import FreeProvider
from tests.doubles.texts import shows
from tests.providers.a1111_workbench import DREAM

BRUSH = "scripted/brush"


async def jobs_card(studio: Studio) -> str:
    return told(await studio.admin.slash(studio.channel, "usage jobs")).text


async def test_several_servers_have_a_line_each(make_studio: MakeStudio) -> None:
    provider = FreeProvider()
    provider.states = (
        ServerState(engine=BRUSH, running=1, waiting=2),
        ServerState(running=0, waiting=0),
        ServerState(Silence(Reason.BUSY, 3600.0), BRUSH, running=0, waiting=0),
    )
    studio = await make_studio(providers=[provider])
    said = await jobs_card(studio)
    since = moment(studio.runtime.clock.now() - 3_600_000, "f")
    states = [
        [BUSY(count=1), LOADED(engine="Brush"), WAITING(count=2)],
        [IDLE()],
        [SILENT(since=since, cause=CAUSES[Reason.BUSY])],
    ]
    for number, state in enumerate(states, 1):
        assert shows(said, SERVER(name=NUMBERED(service="Scripted", number=number), state=facts(*state)))
    assert not shows(said, FOR_ANY(count=1))


async def test_an_admin_stops_what_a_free_service_is_making(make_studio: MakeStudio) -> None:
    studio = await make_studio(seconds=None, A1111_URL="{url}/a1111")
    await studio.imagine(engine=DREAM)
    await studio.begun("a1111.txt2img")
    shown = told(await studio.admin.slash(studio.channel, "usage jobs"))
    assert shown.labels == ["Cancel job 1"]
    said = told(await studio.press(studio.admin, shown, "Cancel job 1")).text
    assert shows(said, CANCEL_OUTCOME(job=1, outcome=STOPPING))
    await studio.finish()
    assert len(studio.stand_in.calls_to("a1111.interrupt")) == 1
    assert shows(await jobs_card(studio), NOTHING_RUNS)


async def test_what_one_server_works_on_is_counted_by_the_bot(make_studio: MakeStudio) -> None:
    provider = FreeProvider(polled=False, jobs=1)
    provider.states = (ServerState(queue=4),)
    goes_on = asyncio.Event()
    provider.enqueue("submit", goes_on)
    studio = await make_studio(providers=[provider])
    for prompt in ("a fox", "a hen", "an owl"):
        await studio.imagine(prompt=prompt, engine=BRUSH)
    await provider.called("submit")
    said = await jobs_card(studio)
    state = [BUSY(count=1), WAITING(count=2), OWN_QUEUE(count=4)]
    assert shows(said, SERVER(name="Scripted", state=facts(*state)))
    provider.states *= 2
    assert shows(await jobs_card(studio), SERVER(name="Scripted", state=FOR_ANY(count=2)))
    goes_on.set()
    await studio.finish()
    provider.states = (ServerState(),)
    assert shows(await jobs_card(studio), SERVER(name="Scripted", state=IDLE()))


async def test_a_service_without_engines_is_not_idle(make_studio: MakeStudio) -> None:
    provider = FreeProvider()
    provider.states = (ServerState(),)
    studio = await make_studio(providers=[provider])
    provider.engines = ()
    assert shows(await jobs_card(studio), SERVER(name="Scripted", state=NO_ENGINES()))


async def test_services_that_charge_have_no_servers(studio: Studio) -> None:
    assert not shows(await jobs_card(studio), SERVERS())


async def test_the_place_in_the_services_own_queue(make_studio: MakeStudio) -> None:
    provider = FreeProvider()
    provider.states = (ServerState(),)
    goes_on = asyncio.Event()
    provider.enqueue("poll", Waiting(place=7), goes_on)
    studio = await make_studio(providers=[provider])
    await studio.imagine(prompt="a fox", engine=BRUSH)
    await studio.until(lambda: studio.runtime.worker.services()[0].place == 7)
    assert shows(await jobs_card(studio), SERVER(name="Scripted", state=facts(BUSY(count=1), OWN_PLACE(place=7))))
    goes_on.set()
    await studio.finish()
