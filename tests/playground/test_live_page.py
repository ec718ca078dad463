"""The page's server without a browser: who may use it, which pages it keeps, and when it publishes them."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import simcord.preview._markdown

from bot.config import Settings
from fakes.services import StandIn, flat
from playground.live_page import Digests, LivePreview, markdown_tokens, open_page
from playground.page_server import Controls
from playground.service_faults import Switch
from playground.studio import Studio, open_studio
from tests.playground.conftest import HastyClock
from tests.playground.test_studio import eventually

pytestmark = pytest.mark.slow

TOKEN = "a-token-for-this-test"


class Client:
    """A page without a browser."""

    def __init__(self, session: aiohttp.ClientSession, address: str) -> None:
        self._session = session
        self._address = address

    async def ask(
        self, method: str, path: str, body: Any = None, *, page: str | None = None, token: str = TOKEN
    ) -> tuple[int, Any]:
        """Send a request. Returns the status and the body of the answer."""
        headers = {"X-Simcord-Capability": token} | ({"X-Simcord-Context": page} if page else {})
        async with self._session.request(method, self._address + path, json=body, headers=headers) as answer:
            return answer.status, await answer.json() if answer.content_type == "application/json" else None

    async def open(self, **body: Any) -> Any:
        """Open a page. Returns its state."""
        status, state = await self.ask("POST", "/api/pages", body)
        assert status == 200
        return state


@pytest.fixture
async def studio(settings: Settings, hasty: HastyClock) -> AsyncIterator[Studio]:
    async with open_studio(settings, StandIn(seconds=None, painter=flat), clock=hasty) as studio:
        yield studio


@pytest.fixture
async def preview(studio: Studio) -> AsyncIterator[LivePreview]:
    controls = Controls(studio.restart, Switch(studio.services))
    async with open_page(studio.world, port=0, token=TOKEN, controls=controls) as preview:
        yield preview


@pytest.fixture
async def client(preview: LivePreview) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession() as session:
        yield Client(session, preview.url.partition("/#")[0])


async def test_the_token_is_in_the_address(preview: LivePreview) -> None:
    assert preview.url.endswith(f"/#{TOKEN}")


@pytest.mark.parametrize(("method", "path"), [("GET", "/api/playground"), ("POST", "/api/playground")])
async def test_without_the_token_nothing_is_shown_or_changed(
    studio: Studio, client: Client, method: str, path: str
) -> None:
    bot = studio.runtime

    assert (await client.ask(method, path, {"restart": True}, token="another"))[0] == 401

    assert studio.runtime is bot


async def test_a_fault_is_switched_on_and_off(studio: Studio, client: Client) -> None:
    _, shown = await client.ask("POST", "/api/playground", {"service": "credits"})
    assert shown["service"] == "credits"
    assert not studio.services.renderings.affords(1)

    assert (await client.ask("POST", "/api/playground", {"service": "explodes"}))[0] == 400

    _, shown = await client.ask("POST", "/api/playground", {"service": "works"})
    assert shown["service"] == "works"
    assert studio.services.renderings.affords(1)
    assert (await client.ask("GET", "/api/playground"))[1] == shown


async def test_the_bot_restarts_and_the_page_stays(studio: Studio, client: Client) -> None:
    page = (await client.open())["context"]["id"]
    bot = studio.runtime

    assert (await client.ask("POST", "/api/playground", {"restart": True}))[0] == 200

    assert studio.runtime is not bot
    status, state = await client.ask("GET", "/api/state", page=page)
    assert (status, state["botGeneration"]) == (200, 2)
    assert state["commands"]["count"] > 10


async def test_a_page_shows_what_happened_when_it_asks(studio: Studio, client: Client) -> None:
    page = (await client.open())["context"]["id"]
    ada = studio.world.members[0]
    await ada.slash(studio.world.channel, "imagine", prompt="a fox")

    _, first = await client.ask("GET", "/api/state", page=page)
    _, second = await client.ask("GET", "/api/state", page=page)

    assert len(first["timeline"]) == 1
    assert second["publishedRevision"] == first["publishedRevision"], "nothing has happened since"


async def test_pages_that_no_longer_ask_cost_nothing(
    studio: Studio, preview: LivePreview, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = [(await client.open())["context"]["id"] for _ in range(40)]
    assert len(preview._pages) <= preview._MAX_PAGES + 1, "the oldest are closed"
    published: list[str] = []
    publish = preview._publish

    def counted(page: Any, **options: Any) -> None:
        published.append(page.id)
        publish(page, **options)

    monkeypatch.setattr(preview, "_publish", counted)
    ada = studio.world.members[0]

    await ada.slash(studio.world.channel, "imagine", prompt="a fox")
    await client.ask("GET", "/api/state", page=pages[-1])

    assert published == [pages[-1]]
    assert (await client.ask("GET", "/api/state", page=pages[0]))[0] == 410


async def test_a_page_opens_as_the_person_of_before(studio: Studio, client: Client) -> None:
    grace = str(studio.world.admin.id)

    assert (await client.open(viewer_id=grace))["viewerId"] == grace
    assert (await client.open(viewer_id="1"))["viewerId"] == str(studio.world.people[0].id)
    assert (await client.open(viewer_id=None))["viewerId"] == str(studio.world.people[0].id)


async def test_the_menu_of_a_message_is_for_those_who_see_it(studio: Studio, client: Client) -> None:
    ada, ben = studio.world.members
    result = await ada.slash(studio.world.channel, "imagine", prompt="a fox", private=True)
    card = result.response
    assert card is not None
    _, controls = await client.ask("GET", "/api/playground")
    (name,) = [name for name in controls["menu"] if "prompt" in name]

    async def use(person: Any, command: str) -> bool:
        state = await client.open(viewer_id=str(person.id))
        body = {
            "protocol_version": 3,
            "sequence": 1,
            "request_id": "1",
            "generation": state["context"]["generation"],
            "bot_generation": state["botGeneration"],
            "published_revision": state["publishedRevision"],
            "kind": "message_menu",
            "name": command,
            "target_id": str(card.id),
        }
        _, receipt = await client.ask("POST", "/api/action", body, page=state["context"]["id"])
        return not receipt["rejected"]

    assert await use(ada, name)
    assert not await use(ben, name)
    assert not await use(ada, "imagine")


async def test_files_are_hashed_once(
    studio: Studio, preview: LivePreview, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[int] = []
    sha256 = hashlib.sha256

    def counted(data: bytes = b"", **options: Any) -> Any:
        hashed.append(len(data))
        return sha256(data, **options)

    monkeypatch.setattr(hashlib, "sha256", counted)
    ada = studio.world.members[0]
    for _ in range(3):
        await ada.slash(studio.world.channel, "imagine", prompt="a fox")
    await studio.services.called("ai-client.entry", 3)
    studio.services.finish_all()
    await eventually(studio, lambda: len(studio.world.env.backend.cdn._blobs) == 3)
    sizes = {len(data) for data in studio.world.env.backend.cdn._blobs.values()}
    hashed.clear()

    for _ in range(5):
        page = (await client.open())["context"]["id"]
        await client.ask("GET", "/api/state", page=page)
        preview.something_happened()
        await client.ask("GET", "/api/state", page=page)

    assert sum(size in sizes for size in hashed) <= 3


def test_texts_are_parsed_as_by_simcord() -> None:
    text = "**bold** </help:1> https://example.com"
    context = {"commands": {"1": "help"}}

    tokens = markdown_tokens(text, context=context)

    assert tokens == simcord.preview._markdown.markdown_tokens(text, context=context)
    # The page changes the tokens that it gets.
    tokens.clear()
    assert markdown_tokens(text, context=context) != []


def test_a_digest_is_the_real_one_and_computed_once() -> None:
    digests = Digests()
    data = b"x" * 5000

    first = digests.sha256(data)

    assert first.hexdigest() == hashlib.sha256(data).hexdigest()
    assert digests.sha256(data) is first
    assert digests.sha256(b"y" * 5000).hexdigest() != first.hexdigest()
