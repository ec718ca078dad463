"""What a timeout, a broken response or a wrong address means for a free call and for a paid one."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Callable

import pytest

from bot.providers.credentials import Credentials
from bot.providers.errors import OutcomeUnknown, ProviderError, Reason, Unreachable
from bot.providers.http import Service
from fakes.services import Fault, StandIn
from fakes.services.faults import Body, Endless, Half, Hang, Redirect, Reset, Status
from tests.providers.workbench import SECRET, Talk, raw_server, saying

PATH = "/api/v1/threads"
ROUTE = "ai-client.thread"
FORM = [("ai_version_code", "stablediffusion_text2img")]

PAID = pytest.mark.parametrize("paid", [True, False], ids=["paid", "free"])


def lost(*, paid: bool) -> type[ProviderError]:
    """The error for a request that was sent and got no response."""
    return OutcomeUnknown if paid else Unreachable


@pytest.fixture
async def service(stand_in: StandIn) -> AsyncIterator[Service]:
    service = Service("Painter", stand_in.url, credentials=Credentials.key(SECRET, "Bearer"))
    yield service
    await service.close()


async def failing(base: str, *, paid: bool, largest: int = 1 << 20) -> ProviderError:
    """The error of one POST to this address."""
    service = Service("Painter", base, credentials=Credentials.key(SECRET, "Bearer"))
    try:
        with pytest.raises(ProviderError) as caught:
            await service.call("POST", PATH, paid=paid, form=FORM, largest=largest)
    finally:
        await service.close()
    assert SECRET not in f"{caught.value!r} {caught.value} {caught.value.detail}"
    assert caught.value.__suppress_context__
    return caught.value


@PAID
async def test_a_refused_connection_means_not_sent(paid: bool) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # Bound but not listening: nobody answers, and nobody else can take the port.
        error = await failing(f"http://127.0.0.1:{taken.getsockname()[1]}", paid=paid)
    assert type(error) is Unreachable


@PAID
async def test_an_unknown_host_name_means_not_sent(paid: bool) -> None:
    assert type(await failing("http://painter.invalid", paid=paid)) is Unreachable


@PAID
async def test_a_failed_tls_handshake_means_not_sent(paid: bool) -> None:
    async def talk(incoming: asyncio.StreamReader, outgoing: asyncio.StreamWriter) -> None:
        await incoming.read(1)
        outgoing.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await outgoing.drain()

    async with raw_server(talk) as url:
        assert type(await failing(url.replace("http:", "https:"), paid=paid)) is Unreachable


@PAID
async def test_a_connect_timeout_means_not_sent(paid: bool, pass_time: Callable[[float], None]) -> None:
    connecting = asyncio.Event()

    async def talk(incoming: asyncio.StreamReader, outgoing: asyncio.StreamWriter) -> None:
        connecting.set()  # The server sends nothing, so the TLS handshake never ends.
        await asyncio.Event().wait()

    async with raw_server(talk) as url:
        call = asyncio.create_task(failing(url.replace("http:", "https:"), paid=paid))
        await connecting.wait()
        pass_time(1000)
        assert type(await call) is Unreachable


@PAID
@pytest.mark.parametrize("after_doing", [False, True])
async def test_reset_after_the_request_was_sent(stand_in: StandIn, paid: bool, after_doing: bool) -> None:
    stand_in.misbehave(Fault(ROUTE, Reset(after_doing=after_doing), times=None))
    assert type(await failing(stand_in.url, paid=paid)) is lost(paid=paid)
    assert len(stand_in.calls) == 1


@PAID
@pytest.mark.parametrize("after_doing", [False, True])
async def test_timeout_after_the_request_was_sent(
    stand_in: StandIn, pass_time: Callable[[float], None], paid: bool, after_doing: bool
) -> None:
    stand_in.misbehave(Fault(ROUTE, Hang(after_doing=after_doing), times=None))
    call = asyncio.create_task(failing(stand_in.url, paid=paid))
    await stand_in.called(ROUTE)
    pass_time(1000)
    assert type(await call) is lost(paid=paid)
    assert len(stand_in.calls) == 1


@PAID
@pytest.mark.parametrize("reset", [False, True])
async def test_a_response_that_ends_in_the_middle(stand_in: StandIn, paid: bool, reset: bool) -> None:
    stand_in.misbehave(Fault(ROUTE, Half(reset=reset), times=None))
    assert type(await failing(stand_in.url, paid=paid)) is lost(paid=paid)
    assert len(stand_in.calls) == 1


@PAID
@pytest.mark.parametrize("declared", [False, True])
async def test_a_response_that_is_far_too_large(stand_in: StandIn, paid: bool, declared: bool) -> None:
    stand_in.misbehave(Fault(ROUTE, Endless(declared=declared), times=None))
    assert type(await failing(stand_in.url, paid=paid, largest=100_000)) is lost(paid=paid)


async def hang_up(incoming: asyncio.StreamReader, outgoing: asyncio.StreamWriter) -> None:
    """Accept the connection and close it without reading a byte."""


@PAID
@pytest.mark.parametrize(
    "talk",
    [
        hang_up,
        saying(b""),
        saying(b"\x00\x01\x02 this is not HTTP\r\n\r\n"),
        saying(b"HTTP/1.1 banana\r\n\r\n"),
        saying(b"HTTP/1.1 200 OK\r\nContent-Length: banana\r\n\r\n{}"),
        saying(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n"),
        saying(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}"),
        saying(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nblah"),
    ],
    ids=["closes", "silence", "noise", "status", "length", "header", "chunk", "gzip"],
)
async def test_a_response_that_is_not_http(talk: Talk, paid: bool) -> None:
    async with raw_server(talk) as url:
        assert type(await failing(url, paid=paid)) is lost(paid=paid)


async def test_a_free_call_is_not_repeated_either(service: Service, stand_in: StandIn) -> None:
    stand_in.misbehave(Fault("*", Reset(), times=None))
    for number in (1, 2):
        with pytest.raises(Unreachable):
            await service.call("GET", "/api/v1/threads/x/entries", paid=False)
        assert len(stand_in.calls) == number


@pytest.mark.parametrize("status", [401, 422, 429])
async def test_a_clear_refusal_counts_even_if_its_text_is_cut_off(status: int) -> None:
    head = f"HTTP/1.1 {status} No\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n"
    async with raw_server(saying(head.encode() + b'{"mess')) as url:
        service = Service("Painter", url, credentials=Credentials.key(SECRET))
        answer = await service.call("POST", PATH, paid=True, form=FORM)
        await service.close()
    assert (answer.status, answer.body) == (status, b"")


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
async def test_a_redirect_counts_as_a_response_and_is_not_followed(
    service: Service, stand_in: StandIn, code: int
) -> None:
    stand_in.misbehave(Fault(ROUTE, Redirect(code=code)))
    answer = await service.call("POST", PATH, paid=True, form=FORM)
    assert answer.status == code
    assert len(stand_in.calls) == 1


@pytest.mark.parametrize("code", [200, 404, 429, 500, 503])
async def test_any_complete_response_is_returned(service: Service, stand_in: StandIn, code: int) -> None:
    stand_in.misbehave(Fault(ROUTE, Status(code, {"a": [1]})))
    answer = await service.call("POST", PATH, paid=True, form=FORM)
    assert (answer.status, await answer.json()) == (code, {"a": [1]})


async def test_a_large_response_is_decoded_too(service: Service, stand_in: StandIn) -> None:
    stand_in.misbehave(Fault(ROUTE, Body('{"a": "' + "x" * 1_000_000 + '"}')))
    answer = await service.call("POST", PATH, paid=True, form=FORM)
    value = await answer.json()
    assert isinstance(value, dict)
    assert len(str(value["a"])) == 1_000_000


async def test_headers_and_form(service: Service, stand_in: StandIn) -> None:
    await service.call("POST", PATH, paid=False, form=[*FORM, ("prompts[0][text]", "Ünïcode & more=1")])
    call = stand_in.calls[0]
    assert call.authorization == f"Bearer {SECRET}"
    assert call.headers["Accept"] == "application/json"
    assert call.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert call.body == dict(FORM) | {"prompts[0][text]": "Ünïcode & more=1"}
    assert "Cookie" not in call.headers


async def test_cookies_are_not_kept(stand_in: StandIn) -> None:
    # A cookie jar accepts cookies from host names only, so an IP address would prove nothing here.
    service = Service("Painter", stand_in.url.replace("127.0.0.1", "localhost"), credentials=Credentials.key(SECRET))
    stand_in.misbehave(Fault(ROUTE, Status(200, {}, {"Set-Cookie": "session=1; Path=/"})))
    await service.call("POST", PATH, paid=False, form=FORM)
    await service.call("POST", PATH, paid=False, form=FORM)
    await service.close()
    assert len(stand_in.calls) == 2
    assert "Cookie" not in stand_in.calls[1].headers


class Keeping:
    """A server with keep-alive that closes each connection before it answers the third request on it."""

    def __init__(self) -> None:
        self.opened = 0
        self.asked = 0

    async def talk(self, incoming: asyncio.StreamReader, outgoing: asyncio.StreamWriter) -> None:
        self.opened += 1
        for answers in (True, True, False):
            head = await incoming.readuntil(b"\r\n\r\n")
            length = re.search(rb"Content-Length: (\d+)", head)
            await incoming.readexactly(int(length[1]) if length else 0)
            self.asked += 1
            if answers:
                outgoing.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\n{}")
                await outgoing.drain()


async def test_each_call_with_side_effects_has_its_own_connection() -> None:
    server = Keeping()
    async with raw_server(server.talk) as url:
        service = Service("Painter", url, credentials=Credentials.key(SECRET))
        for paid in (True, False, True, False):
            assert (await service.call("POST", "/", paid=paid, form=FORM)).status == 200
        await service.close()
    assert (server.opened, server.asked) == (4, 4)


async def test_read_only_calls_share_a_connection_and_are_not_repeated_when_it_closes() -> None:
    server = Keeping()
    async with raw_server(server.talk) as url:
        service = Service("Painter", url, credentials=Credentials.key(SECRET))
        for _ in range(2):
            assert (await service.call("GET", "/", paid=False)).status == 200
        with pytest.raises(Unreachable):
            await service.call("GET", "/", paid=False)
        assert (server.opened, server.asked) == (1, 3)
        assert (await service.call("GET", "/", paid=False)).status == 200
        await service.close()
    assert (server.opened, server.asked) == (2, 4)


async def test_the_session_is_opened_on_demand_and_again_after_closing(stand_in: StandIn) -> None:
    service = Service("Painter", stand_in.url, credentials=Credentials.key(SECRET))
    await service.close()
    first, asking = service.session, service.asking
    assert (service.session, service.asking) == (first, asking)
    await service.close()
    assert first.closed
    assert asking.closed
    assert service.session is not first
    await service.close()


async def test_a_cancelled_call_is_cancelled(service: Service, stand_in: StandIn) -> None:
    stand_in.misbehave(Fault(ROUTE, Hang()))
    call = asyncio.create_task(service.call("POST", PATH, paid=True, form=FORM))
    await stand_in.called(ROUTE)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call


def streaming(kind: str) -> Talk:
    """Send a response of this type with 200,000 bytes, and close the connection."""

    async def talk(incoming: asyncio.StreamReader, outgoing: asyncio.StreamWriter) -> None:
        await incoming.readuntil(b"\r\n\r\n")
        outgoing.write(b"HTTP/1.1 200 OK\r\nContent-Type: " + kind.encode() + b"\r\n\r\n")
        outgoing.write(b"".join(b"%d;" % number for number in range(40_000))[:200_000])
        await outgoing.drain()

    return talk


async def test_a_stream_is_heard_as_long_as_more_is_needed() -> None:
    heard = bytearray()

    def hear(piece: bytes) -> bool:
        heard.extend(piece)
        return b";9;" in heard

    async with raw_server(streaming("text/event-stream; charset=utf-8")) as base:
        service = Service("Painter", base)
        answer = await service.call("POST", PATH, paid=True, hear=hear)
        await service.close()
    assert (answer.status, answer.body) == (200, b"")
    assert heard.startswith(b"0;1;2;3;4;5;6;7;8;9;")


@pytest.mark.parametrize("kind", ["text/event-stream", "application/json"])
async def test_the_size_of_a_stream_is_limited_too(kind: str) -> None:
    async with raw_server(streaming(kind)) as base:
        service = Service("Painter", base)
        with pytest.raises(OutcomeUnknown):
            await service.call("POST", PATH, paid=True, hear=lambda _piece: False, largest=100_000)
        await service.close()


async def test_an_error_comes_as_a_whole(service: Service, stand_in: StandIn) -> None:
    stand_in.misbehave(Fault(ROUTE, Status(400, "no", content_type="text/event-stream")))
    answer = await service.call("POST", PATH, paid=True, form=FORM, hear=lambda _piece: True)
    assert answer.body == b"no"


@pytest.mark.parametrize("id_", ["req_1", "x" * 500, "a b"])
async def test_the_service_s_id_of_a_request_is_in_the_log(service: Service, stand_in: StandIn, id_: str) -> None:
    stand_in.misbehave(Fault(ROUTE, Status(400, headers={"x-request-id": id_})))
    answer = await service.call("POST", PATH, paid=True, form=FORM)
    assert (id_ in answer.detail) == (id_ == "req_1")


def test_the_repr_does_not_show_the_key() -> None:
    service = Service("Painter", "https://painter.example", credentials=Credentials.key(SECRET, "Bearer"))
    assert SECRET not in f"{service!r} {service} {service.judge!r}"


@pytest.mark.parametrize(
    ("scheme", "authorization"), [("", SECRET), ("Bearer", f"Bearer {SECRET}"), ("Token", f"Token {SECRET}")]
)
async def test_the_scheme_of_the_key(stand_in: StandIn, scheme: str, authorization: str) -> None:
    service = Service("Painter", stand_in.url, credentials=Credentials.key(SECRET, scheme))
    await service.call("POST", PATH, paid=False, form=FORM)
    await service.close()
    assert stand_in.calls[0].authorization == authorization


async def test_a_base_address_may_end_in_a_slash(stand_in: StandIn) -> None:
    service = Service("Painter", f"{stand_in.url}/api/v1/", credentials=Credentials.key(SECRET, "Bearer"))
    answer = await service.call("POST", "/threads", paid=False, form=FORM)
    await service.close()
    assert answer.ok


async def test_a_service_is_silent_since_the_first_call_without_a_response(
    service: Service, stand_in: StandIn, pass_time: Callable[[float], None]
) -> None:
    silences = [service.silence]
    stand_in.misbehave(Fault(ROUTE, Reset(), times=2), Fault(ROUTE, Status(500)))
    for _ in range(2):
        with pytest.raises(Unreachable):
            await service.call("POST", PATH, paid=False, form=FORM)
        pass_time(30)
    silences.append(service.silence)
    await service.call("POST", PATH, paid=False, form=FORM)
    silences.append(service.silence)
    before, silence, after = silences
    assert before is None
    assert silence is not None
    assert (silence.reason, round(silence.seconds, -1)) == (Reason.UNREACHABLE, 60)
    assert after is None, "any response ends it"
