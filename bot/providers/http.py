"""HTTP calls to one image service. Each is made once, and a failure says whether the request was sent.

No call is repeated here, and no redirect is followed. The kind of an error does not show whether a request left the
machine, so this is recorded when the connection is established. A form with files takes a while to send, and no service
acts on half of it, so the bytes that are left are counted. Each call that may change something opens a new
connection, because a kept one may be closed by the server just as the request is sent. Read-only calls share kept
connections, which saves a round trip for each poll. If such a connection is lost, the caller's next poll opens another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from types import SimpleNamespace
from typing import Any, Literal, ParamSpec, TypeAlias, TypeVar

import aiohttp
from yarl import URL

from bot.providers.addresses import as_written
from bot.providers.answers import Answer
from bot.providers.base import Json
from bot.providers.credentials import Credentials
from bot.providers.errors import OutcomeUnknown, Reason, Unreachable
from bot.providers.hosts import GuardedResolver, Hosts
from bot.providers.refusals import Judge
from bot.providers.server_states import Silence
from bot.providers.uploads import Form, InThread

P = ParamSpec("P")
T = TypeVar("T")

CONNECT_SECONDS = 10.0
KEPT_SECONDS = 4.0
"""Seconds for which an idle connection is kept. Most servers close theirs after five seconds or more."""
FREE_SECONDS = 30.0
LARGEST_ANSWER = 4 << 20
"""The size limit of a response without an image, in bytes."""
EVENT_STREAM = "text/event-stream"
Hear: TypeAlias = Callable[[bytes], bool]
"""Takes a piece of a stream of events. Returns True if no more is needed."""
_THREADS = 2
USER_AGENT = "Easel (a Discord bot that makes pictures)"


class Service:
    """One image service: its base URL, its credentials and its HTTP sessions."""

    def __init__(
        self,
        label: str,
        base: str,
        *,
        credentials: Credentials | None = None,
        image_hosts: Sequence[str] = (),
        proxy: Callable[[str], str | None] = lambda _url: None,
    ) -> None:
        self.label = label
        self.base = _address(base)
        self._credentials = credentials or Credentials()
        self.judge = Judge(self._credentials.secrets)
        self._prefix = base.rstrip("/")
        self.hosts = Hosts(self.base, image_hosts)
        self._proxy = proxy
        self._session: aiohttp.ClientSession | None = None
        self._asking: aiohttp.ClientSession | None = None
        self._pushing: aiohttp.ClientSession | None = None
        self._threads: ThreadPoolExecutor | None = None
        # The loop's time of the first call without a response since the latest response.
        self._silent_since: float | None = None

    def __repr__(self) -> str:
        return f"Service({self.label!r}, {str(self.base)!r})"

    @property
    def silence(self) -> Silence | None:
        """Since when it does not respond. None if the latest call got a response, whatever its status."""
        if self._silent_since is None:
            return None
        return Silence(Reason.UNREACHABLE, asyncio.get_running_loop().time() - self._silent_since)

    def proxy_for(self, url: URL) -> str | None:
        """The proxy for this URL, or None. A proxy resolves host names itself, so it must guard private networks."""
        proxy = self._proxy(str(url))
        if proxy is not None:
            self.hosts.proxies.add(URL(proxy).raw_host or "")
        return proxy

    async def call(
        self,
        method: Literal["GET", "POST", "PUT", "DELETE"],
        path: str,
        *,
        paid: bool,
        form: Sequence[tuple[str, str]] | None = None,
        json: Json = None,
        multipart: Form | None = None,
        accept: str = "application/json",
        seconds: float | None = FREE_SECONDS,
        largest: int = LARGEST_ANSWER,
        hear: Hear | None = None,
    ) -> Answer:
        """Make one API request with the credentials and return the response, whatever its status.

        ``path`` is appended to the base URL. The body is a ``form``, ``json`` or a ``multipart`` form with files.
        ``accept`` names the media types of the response. ``seconds`` is the limit for all of it, including the upload;
        None means no limit. ``largest`` is the size limit of the response in bytes. ``hear`` gets the pieces of a
        stream of events as they arrive, and returns True if it needs no more; the response has no body then. Raises
        Unreachable if the request certainly did not arrive completely, or if it is not ``paid`` and may be repeated.
        Raises OutcomeUnknown if a paid request was sent and no complete response arrived. The reason of either is
        UNREADABLE_ANSWER if the response was larger than ``largest``.
        """
        if multipart is not None:
            try:
                await self.in_thread(multipart.check)
            except OSError as error:
                raise Unreachable(detail=f"{method} {path}: a file to upload: {type(error).__name__}") from None
        headers = {"Accept": accept, **self._credentials.headers}
        return await self._exchange(
            method,
            _address(f"{self._prefix}{path}"),
            headers,
            paid=paid,
            form=form,
            json=json,
            multipart=multipart,
            seconds=seconds,
            largest=largest,
            hear=hear,
        )

    async def look(self, path: str) -> Answer:
        """Make one harmless request without credentials. Returns the response without its body. Raises Unreachable."""
        return await self._exchange("HEAD", _address(f"{self._prefix}{path}"), {}, paid=False)

    async def websocket(self, path: str, *, largest: int, heartbeat: float) -> aiohttp.ClientWebSocketResponse:
        """Open a websocket with the credentials. It follows no redirect. Raises Unreachable.

        ``largest`` is the size limit of a message in bytes. ``heartbeat`` is the number of seconds between two pings.
        """
        url = _address(f"{self._prefix}{path}")
        if self._pushing is None or self._pushing.closed:
            self._pushing = self._opened((_once, _no_redirect), force_close=True)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                return await self._pushing.ws_connect(
                    url,
                    headers=self._credentials.headers,
                    proxy=self.proxy_for(url),
                    heartbeat=heartbeat,
                    max_msg_size=largest,
                )
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            detail = f"GET {url.raw_path}: {error if isinstance(error, _Broken) else type(error).__name__}"
            raise Unreachable(_why(error), detail=detail) from None

    def leads_elsewhere(self, answer: Answer) -> str | None:
        """The other scheme, host or port of a redirect ("" if unreadable), None without one: a POST would be lost."""
        location = answer.header("Location")
        if not 300 <= answer.status < 400 or location is None:
            return None
        target = as_written(location, self.base)
        if target is None:
            return ""
        return None if target.origin() == self.base.origin() else str(target.origin())

    async def _exchange(
        self,
        method: str,
        url: URL,
        headers: Mapping[str, str],
        *,
        paid: bool,
        form: Sequence[tuple[str, str]] | None = None,
        json: Json = None,
        multipart: Form | None = None,
        seconds: float | None = FREE_SECONDS,
        largest: int = LARGEST_ANSWER,
        hear: Hear | None = None,
    ) -> Answer:
        call = f"{method} {url.raw_path}"
        body_to_send = _body(form, multipart, self.in_thread)
        line = SimpleNamespace(up=False, left=body_to_send.size if multipart is not None else 0)
        try:
            session = self.session if paid or method != "GET" else self.asking
            async with session.request(
                method,
                url,
                headers=headers,
                data=body_to_send,
                json=json,
                proxy=self.proxy_for(url),
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=seconds, connect=CONNECT_SECONDS),
                trace_request_ctx=line,
            ) as response:
                line.left = 0  # Whatever it responds to, it has read enough.
                self._silent_since = None
                try:
                    body = await _read(response, largest, hear if _is_stream(response) else None)
                except (aiohttp.ClientError, OSError, TimeoutError):
                    # The status alone is a definite refusal; only its explanation is lost.
                    if response.status < 300 or response.status >= 500:
                        raise
                    body = b""
                return Answer(response.status, response.headers, body, call, self.in_thread)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            detail = f"{call}: {error if isinstance(error, _Broken) else type(error).__name__}"
            why = _why(error)
            if why is not Reason.UNREADABLE_ANSWER and self._silent_since is None:
                self._silent_since = asyncio.get_running_loop().time()
            if paid and line.up and line.left <= 0:
                raise OutcomeUnknown(why, detail=detail) from None
            raise Unreachable(why, detail=detail) from None

    @property
    def session(self) -> aiohttp.ClientSession:
        """The session, opened on first use because it belongs to the running event loop."""
        if self._session is None or self._session.closed:
            self._session = self._opened(force_close=True)
        return self._session

    @property
    def asking(self) -> aiohttp.ClientSession:
        """The session for repeatable requests, which keeps its connections."""
        if self._asking is None or self._asking.closed:
            self._asking = self._opened(keepalive_timeout=KEPT_SECONDS)
        return self._asking

    async def in_thread(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Write an image or decode a long response in this service's own threads, so that other work cannot delay it.

        Returns and raises what ``work`` does. The job id in log lines is preserved.
        """
        if self._threads is None:
            self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix=self.label)
        work_here = partial(copy_context().run, partial(work, *args, **kwargs))
        return await asyncio.get_running_loop().run_in_executor(self._threads, work_here)

    def _opened(
        self, middlewares: Sequence[aiohttp.ClientMiddlewareType] | None = None, **keeping: Any
    ) -> aiohttp.ClientSession:
        trace = aiohttp.TraceConfig()
        trace.on_connection_create_end.append(_line_is_up)
        trace.on_request_chunk_sent.append(_chunk_is_sent)
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                # The caller limits the number of calls. Waiting for a free connection here would look like a timeout.
                limit=0,
                resolver=GuardedResolver(self.hosts, aiohttp.ThreadedResolver()),
                **keeping,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": USER_AGENT},
            middlewares=middlewares or (_once,),
            trace_configs=[trace],
            trust_env=False,
        )

    async def close(self) -> None:
        for session in (self._session, self._asking, self._pushing):
            if session is not None:
                await session.close()
        if self._threads is not None:
            self._threads.shutdown(wait=False)
            self._threads = None


def _address(text: str) -> URL:
    """Parse a URL from the settings. Raises ValueError."""
    address = as_written(text)
    if address is None:
        raise ValueError("not an http address")
    return address


class _Broken(aiohttp.ClientError):
    """A failed call. The text is the name of the library's own error."""


async def _once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Keep the library from repeating a GET: hide the errors after which it would do so."""
    try:
        return await handler(request)
    except aiohttp.ClientError as error:
        raise _Broken(type(error).__name__) from error


async def _no_redirect(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Refuse a redirect of a websocket, because the library would follow it with the credentials."""
    response = await handler(request)
    if 300 <= response.status < 400:
        response.close()
        raise _Broken("Redirected")
    return response


def _why(error: Exception) -> Reason | None:
    """The reason of a failed call, if it is another one than that the service is away."""
    if isinstance(error, _TooLarge):
        return Reason.UNREADABLE_ANSWER
    return Reason.NOT_TRUSTED if isinstance(error.__cause__, aiohttp.ClientSSLError) else None


class _TooLarge(aiohttp.ClientError):
    """A response above the size limit."""


async def _line_is_up(_session: object, context: SimpleNamespace, _params: object) -> None:
    line = context.trace_request_ctx
    if line is not None:
        line.up = True


async def _chunk_is_sent(
    _session: object, context: SimpleNamespace, params: aiohttp.TraceRequestChunkSentParams
) -> None:
    # The library calls this just before it writes the chunk, so a form may count as sent too early, but never too late.
    line = context.trace_request_ctx
    if line is not None:
        line.left -= len(params.chunk)


def _body(form: Sequence[tuple[str, str]] | None, multipart: Form | None, in_thread: InThread) -> Any:
    if multipart is not None:
        return multipart.encoded(in_thread)
    return None if form is None else aiohttp.FormData(form)


async def _read(response: aiohttp.ClientResponse, largest: int, hear: Hear | None = None) -> bytes:
    if (response.content_length or 0) > largest:
        raise _TooLarge
    body, length = bytearray(), 0
    async for part in response.content.iter_any():
        length += len(part)
        if length > largest:
            raise _TooLarge
        if hear is None:
            body += part
        elif hear(part):
            break
    return bytes(body)


def _is_stream(response: aiohttp.ClientResponse) -> bool:
    """Whether it is a stream of server-sent events. An error comes as a whole."""
    return response.status < 300 and response.content_type == EVENT_STREAM
