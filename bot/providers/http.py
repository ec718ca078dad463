"""Talking to one image service: calls that are made once, and what a silence means.

No call is ever repeated here, and no redirect followed. Whether a request left the machine is not guessed from the
kind of the error but noted when the connection stands: each call that may change something opens one of its own, so it
cannot be lost on a connection that the other side was just closing. Those that only ask share kept connections, which
spares a poll the way to and fro of a new one; one that is lost for that is made again when its caller asks again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import SimpleNamespace
from typing import Any, Literal, ParamSpec, TypeVar

import aiohttp
from yarl import URL

from bot.providers.addresses import as_written
from bot.providers.answers import Answer
from bot.providers.base import Json
from bot.providers.errors import OutcomeUnknown, Unreachable
from bot.providers.hosts import GuardedResolver, Hosts
from bot.providers.refusals import Judge

P = ParamSpec("P")
T = TypeVar("T")

CONNECT_SECONDS = 10.0
KEPT_SECONDS = 4.0
"""How long a connection is kept that nobody uses: most servers close theirs after five seconds or more."""
FREE_SECONDS = 30.0
LARGEST_ANSWER = 4 << 20
"""Bytes of an answer that holds no image."""
_THREADS = 2
USER_AGENT = "Easel (a Discord bot that makes pictures)"


class Service:
    """One image service: its address, its key, and the sessions through which it is reached."""

    def __init__(
        self,
        label: str,
        base: str,
        *,
        secret: str,
        scheme: str = "",
        image_hosts: Sequence[str] = (),
        proxy: Callable[[str], str | None] = lambda _url: None,
    ) -> None:
        self.label = label
        self.base = _address(base)
        self.judge = Judge(secret)
        self._prefix = base.rstrip("/")
        self.hosts = Hosts(self.base, image_hosts)
        self._proxy = proxy
        self._authorization = f"{scheme} {secret}".strip()
        self._session: aiohttp.ClientSession | None = None
        self._asking: aiohttp.ClientSession | None = None
        self._threads: ThreadPoolExecutor | None = None

    def __repr__(self) -> str:
        return f"Service({self.label!r}, {str(self.base)!r})"

    def proxy_for(self, url: URL) -> str | None:
        """The proxy through which this address is reached, or None. It looks the names up then, and guards them."""
        proxy = self._proxy(str(url))
        if proxy is not None:
            self.hosts.proxies.add(URL(proxy).raw_host or "")
        return proxy

    async def call(
        self,
        method: Literal["GET", "POST"],
        path: str,
        *,
        paid: bool,
        form: Sequence[tuple[str, str]] | None = None,
        json: Json = None,
        seconds: float = FREE_SECONDS,
        largest: int = LARGEST_ANSWER,
    ) -> Answer:
        """Make one API request with the key and return the answer, whatever its status.

        ``path`` comes behind the base address. Raises Unreachable where the request surely did not arrive, or is
        ``paid`` False and it may be made again; OutcomeUnknown where a paid one was sent and no whole answer came.
        """
        headers = {"Accept": "application/json", "Authorization": self._authorization}
        return await self._exchange(
            method,
            _address(f"{self._prefix}{path}"),
            headers,
            paid=paid,
            form=form,
            json=json,
            seconds=seconds,
            largest=largest,
        )

    async def look(self, path: str) -> Answer:
        """Make one harmless request without the key, and get an answer without a body. Raises Unreachable."""
        return await self._exchange("HEAD", _address(f"{self._prefix}{path}"), {}, paid=False)

    def leads_elsewhere(self, answer: Answer) -> str | None:
        """The other scheme, host or port that an answer redirects to ("" if unreadable): a POST here would be lost."""
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
        seconds: float = FREE_SECONDS,
        largest: int = LARGEST_ANSWER,
    ) -> Answer:
        call = f"{method} {url.raw_path}"
        line = SimpleNamespace(up=False)
        try:
            session = self.session if paid or method == "POST" else self.asking
            async with session.request(
                method,
                url,
                headers=headers,
                data=None if form is None else aiohttp.FormData(form),
                json=json,
                proxy=self.proxy_for(url),
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=seconds, connect=CONNECT_SECONDS),
                trace_request_ctx=line,
            ) as response:
                try:
                    body = await _read(response, largest)
                except (aiohttp.ClientError, OSError, TimeoutError):
                    # The status alone is a clear no; how it was to be explained is lost.
                    if response.status < 300 or response.status >= 500:
                        raise
                    body = b""
                return Answer(response.status, response.headers, body, call, self.in_thread)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            detail = f"{call}: {error if isinstance(error, _Broken) else type(error).__name__}"
            if paid and line.up:
                raise OutcomeUnknown(detail=detail) from None
            raise Unreachable(detail=detail) from None

    @property
    def session(self) -> aiohttp.ClientSession:
        """The session, opened when it is first asked for, since it belongs to the running loop."""
        if self._session is None or self._session.closed:
            self._session = self._opened(force_close=True)
        return self._session

    @property
    def asking(self) -> aiohttp.ClientSession:
        """The session for what may be asked twice, which keeps its connections."""
        if self._asking is None or self._asking.closed:
            self._asking = self._opened(keepalive_timeout=KEPT_SECONDS)
        return self._asking

    async def in_thread(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Write an image or read a long answer in one of this service's own few threads, which nothing else holds up.

        Returns and raises what the work does.
        """
        if self._threads is None:
            self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix=self.label)
        return await asyncio.get_running_loop().run_in_executor(self._threads, partial(work, *args, **kwargs))

    def _opened(self, **keeping: Any) -> aiohttp.ClientSession:
        trace = aiohttp.TraceConfig()
        trace.on_connection_create_end.append(_line_is_up)
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                # The caller sees to the number of calls; waiting for a free place here would look like a silence.
                limit=0,
                resolver=GuardedResolver(self.hosts, aiohttp.ThreadedResolver()),
                **keeping,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": USER_AGENT},
            middlewares=(_once,),
            trace_configs=[trace],
            trust_env=False,
        )

    async def close(self) -> None:
        for session in (self._session, self._asking):
            if session is not None:
                await session.close()
        if self._threads is not None:
            self._threads.shutdown(wait=False)
            self._threads = None


def _address(text: str) -> URL:
    """An address of the settings. Raises ValueError."""
    address = as_written(text)
    if address is None:
        raise ValueError("not an http address")
    return address


class _Broken(aiohttp.ClientError):
    """A call that failed; the text is the name of the library's own error."""


async def _once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Keep the library from repeating a GET by itself, which it does after errors that it knows, and only those."""
    try:
        return await handler(request)
    except aiohttp.ClientError as error:
        raise _Broken(type(error).__name__) from error


class _TooLarge(aiohttp.ClientError):
    """An answer that is larger than it could sensibly be."""


async def _line_is_up(_session: object, context: SimpleNamespace, _params: object) -> None:
    line = context.trace_request_ctx
    if line is not None:
        line.up = True


async def _read(response: aiohttp.ClientResponse, largest: int) -> bytes:
    if (response.content_length or 0) > largest:
        raise _TooLarge
    body = bytearray()
    async for part in response.content.iter_any():
        body += part
        if len(body) > largest:
            raise _TooLarge
    return bytes(body)
