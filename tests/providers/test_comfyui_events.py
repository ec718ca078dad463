"""ComfyUI's websocket: progress and previews, of one's own prompts, and only as decoration."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

from bot.providers.base import Finished, Handle, Json, Waiting
from bot.providers.comfyui import Comfyui
from bot.providers.comfyui_events import IDLE_SECONDS
from fakes.services import StandIn
from tests.providers.comfyui_server import comfyui_at, queued
from tests.providers.workbench import SECRET

JPEG = b"\xff\xd8\xff" + bytes(40)


async def connected(stand_in: StandIn, count: int = 1) -> str:
    """Wait until the adapter's socket is connected and has said what it can; return its client id."""
    push = stand_in.comfyui.push
    async with asyncio.timeout(10):
        while len(push.connections) < count or not push.sockets or not push.flags.keys() & push.sockets.keys():
            await push.changed()
    return next(iter(push.sockets))


async def shown(provider: Comfyui, handle: Handle, as_wanted: Callable[[Waiting], bool]) -> Waiting:
    """Poll until the result is as wanted."""
    async with asyncio.timeout(10):
        while True:
            result = await provider.poll(handle)
            assert isinstance(result, Waiting)
            if as_wanted(result):
                return result


async def test_progress_and_previews_are_those_of_the_prompt(slow_comfyui: Comfyui, slow_stand_in: StandIn) -> None:
    first, second = await queued(slow_comfyui), await queued(slow_comfyui)
    client, push = await connected(slow_stand_in), slow_stand_in.comfyui.push
    assert push.flags[client] == {"type": "feature_flags", "data": {"supports_preview_metadata": True}}
    assert push.connections[0].headers["X-Key"] == SECRET
    assert "Origin" not in push.connections[0].headers
    await push.send(client, "progress", str(first["id"]), value=5, max=20, node="sampler")
    await push.preview(client, str(first["id"]), JPEG)
    result = await shown(slow_comfyui, first, lambda waiting: waiting.preview is not None)
    assert (result.percent, result.preview, result.place) == (25, JPEG, None)
    other = await slow_comfyui.poll(second)
    assert isinstance(other, Waiting)
    assert (other.percent, other.preview, other.place) == (None, None, 1)
    assert len(push.connections) == 1


async def test_a_preview_without_metadata_belongs_to_what_runs(slow_comfyui: Comfyui, slow_stand_in: StandIn) -> None:
    handle = await queued(slow_comfyui)
    client, push = await connected(slow_stand_in), slow_stand_in.comfyui.push
    push.flags.clear()
    await push.send(client, "execution_start", str(handle["id"]))
    await push.preview(client, str(handle["id"]), JPEG)
    assert (await shown(slow_comfyui, handle, lambda waiting: waiting.preview is not None)).preview == JPEG


async def test_progress_never_goes_back(slow_comfyui: Comfyui, slow_stand_in: StandIn) -> None:
    handle = await queued(slow_comfyui)
    client, push = await connected(slow_stand_in), slow_stand_in.comfyui.push
    for value in (15, 3):
        await push.send(client, "progress", str(handle["id"]), value=value, max=20)
    nodes: Json = {
        "a": {"state": "running", "value": 18, "max": 20},
        "b": 7,
        "c": {"state": "finished", "value": 1, "max": 1},
    }
    await push.send(client, "progress_state", str(handle["id"]), nodes=nodes)
    assert (await shown(slow_comfyui, handle, lambda waiting: waiting.percent == 90)).percent == 90


async def test_odd_messages_do_no_harm(slow_comfyui: Comfyui, slow_stand_in: StandIn) -> None:
    handle = await queued(slow_comfyui)
    client, push = await connected(slow_stand_in), slow_stand_in.comfyui.push
    kinds: tuple[Json, ...] = (7, [], {})
    odd_types = (json.dumps({"type": kind, "data": {"prompt_id": handle["id"]}}) for kind in kinds)
    for text in ("", "{", "[]", "7", '{"data": 7}', "{}", *odd_types):
        await push.say(client, text)
    for frame in (b"", b"\0" * 7, b"\0\0\0\4\xff\xff\xff\xff", b"\0\0\0\4\0\0\0\1{", b"\0\0\0\1\0\0\0\1<html>"):
        await push.sockets[client].send_bytes(frame)
    odd: tuple[tuple[Json, Json], ...] = ((None, 20), (1, 0), ("x", "y"), ([], {}))
    for value, most in odd:
        await push.send(client, "progress", str(handle["id"]), value=value, max=most)
    await push.send(client, "progress", str(handle["id"]), value=99, max=20)
    result = await shown(slow_comfyui, handle, lambda waiting: waiting.percent is not None)
    assert (result.percent, result.preview) == (99, None)


async def test_a_lost_socket_is_opened_again_after_a_pause(
    slow_comfyui: Comfyui, slow_stand_in: StandIn, pass_time: Callable[[float], None]
) -> None:
    handle = await queued(slow_comfyui)
    client, push = await connected(slow_stand_in), slow_stand_in.comfyui.push
    await push.send(client, "execution_start", str(handle["id"]))
    await shown(slow_comfyui, handle, lambda waiting: waiting.place is None)
    push.flags.clear()
    await push.drop()
    await shown(slow_comfyui, handle, lambda _: not slow_comfyui._events.open)
    pass_time(2)
    assert await connected(slow_stand_in, 2) == client


async def test_the_socket_is_closed_when_there_is_nothing_to_follow(
    slow_comfyui: Comfyui, slow_stand_in: StandIn
) -> None:
    handle = await queued(slow_comfyui)
    await connected(slow_stand_in)
    await slow_stand_in.comfyui.started(handle["id"])
    slow_stand_in.finish_all()
    await slow_stand_in.comfyui.ended(handle["id"])
    assert isinstance(await slow_comfyui.poll(handle), Finished)
    async with asyncio.timeout(10):
        while slow_stand_in.comfyui.push.sockets:
            await slow_stand_in.comfyui.push.changed()


async def test_a_prompt_that_nobody_asks_about_is_forgotten(
    slow_comfyui: Comfyui, slow_stand_in: StandIn, pass_time: Callable[[float], None]
) -> None:
    handle = await queued(slow_comfyui)
    client, push = await connected(slow_stand_in), slow_stand_in.comfyui.push
    pass_time(IDLE_SECONDS + 1)
    await push.send(client, "execution_start", str(handle["id"]))
    async with asyncio.timeout(10):
        while push.sockets:
            await push.changed()


async def test_the_end_of_a_prompt_is_pushed(slow_comfyui: Comfyui, slow_stand_in: StandIn) -> None:
    first, second = await queued(slow_comfyui), await queued(slow_comfyui)
    await connected(slow_stand_in)
    over, other = slow_comfyui.pushed(first), slow_comfyui.pushed(second)
    assert over is not None
    assert other is not None
    await slow_stand_in.comfyui.started(first["id"])
    assert not over.is_set()
    slow_stand_in.finish_all()
    async with asyncio.timeout(10):
        await over.wait()
    assert isinstance(await slow_comfyui.poll(first), Finished)
    assert slow_comfyui.pushed(first) is None


async def test_the_event_without_a_node_means_the_end(slow_comfyui: Comfyui, slow_stand_in: StandIn) -> None:
    handle = await queued(slow_comfyui)
    client, push = await connected(slow_stand_in), slow_stand_in.comfyui.push
    over = slow_comfyui.pushed(handle)
    assert over is not None
    await push.send(client, "executing", str(handle["id"]), node="sampler")
    await push.send(client, "executing", str(handle["id"]), node=None)
    async with asyncio.timeout(10):
        await over.wait()


async def test_without_a_socket_everything_else_works(stand_in: StandIn) -> None:
    async with comfyui_at(stand_in) as provider:
        stand_in.comfyui.push.refuse = True
        handle = await queued(provider)
        await stand_in.comfyui.ended(handle["id"])
        assert isinstance(await provider.poll(handle), Finished)


async def test_a_redirect_of_the_socket_is_not_followed(slow_comfyui: Comfyui, slow_stand_in: StandIn) -> None:
    push = slow_stand_in.comfyui.push
    push.redirect = f"{slow_stand_in.url}/comfyui/ws?clientId=elsewhere"
    await queued(slow_comfyui)
    async with asyncio.timeout(10):
        while not push.connections:
            await push.changed()
    push.redirect = ""
    await slow_stand_in.called("comfyui.prompt")
    assert "elsewhere" not in push.sockets
    assert len(push.connections) == 1
