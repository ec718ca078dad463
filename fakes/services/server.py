"""The stand-in: one loopback server that plays all the image services."""

from __future__ import annotations

import asyncio
import json
import pickle
import random
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from aiohttp import web

from fakes.services import aithriving
from fakes.services.a1111 import A1111
from fakes.services.ai_client import AiClient
from fakes.services.ai_horde import AiHorde
from fakes.services.aithriving import Aithriving
from fakes.services.call_log import Bill, Call, Json, KeptUploads, drop_oldest
from fakes.services.comfyui import Comfyui
from fakes.services.control import Control
from fakes.services.exchange import EXCHANGE, Exchange, RateLimit, Services
from fakes.services.faults import Fault
from fakes.services.forms import Form, read_form
from fakes.services.openai_images import OpenaiImages
from fakes.services.pictures import Gallery, Painter, painted
from fakes.services.rendering import Fate, Renderings

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

MULTIPART = "multipart/form-data"
FORMS = ("application/x-www-form-urlencoded", MULTIPART)
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
FREE_ROUTES = frozenset({"ai-client.image", "ai-client.thumbnail", "ai-client.login"})
"""Routes that need no key and are not rate-limited."""


@dataclass(slots=True)
class Armed:
    """A fault waiting for calls; ``left`` is None if it affects all."""

    fault: Fault
    skip: int
    left: int | None


def host_of(request: web.Request) -> str | None:
    """The host that a request names, without the port; None if it cannot be parsed."""
    try:
        return urlsplit(f"//{request.host}").hostname
    except ValueError:
        return None


class StandIn:
    """All the image services on one loopback port.

    ``seconds`` is the range of durations of a picture, drawn with ``seed``; (0, 0): no time at all; None: until
    :meth:`finish` or :meth:`finish_all` is called. ``latency`` is the range of response times in seconds. ``rate`` is
    how many API requests per second each provider accepts before it answers 429. ``keys`` are the keys that are
    accepted; None: any. ``balance`` is the account's millicredits; None: unlimited. ``painter`` makes the
    pictures; :func:`~fakes.services.flat` is the quick one for tests. ``control``: whether the control endpoint is
    open. ``remember`` is how many of the latest calls, bills, renderings and threads it keeps; None: all, for tests
    that count them.
    """

    def __init__(
        self,
        *,
        seconds: tuple[float, float] | None = (8.0, 13.0),
        seed: int = 1,
        painter: Painter = painted,
        latency: tuple[float, float] = (0.0, 0.0),
        rate: float | None = None,
        keys: frozenset[str] | None = None,
        balance: int | None = None,
        fate: Fate | None = None,
        painters: int = 2,
        control: bool = True,
        remember: int | None = None,
    ) -> None:
        chance = random.Random(seed)
        self._executor = ThreadPoolExecutor(painters, thread_name_prefix="painter")
        gallery = Gallery(painter, self._executor)
        renderings = Renderings(gallery, seconds, chance, remember)
        renderings.balance = balance
        self._services = Services(renderings, gallery, self._executor, chance, fate or Fate(), remember=remember)
        self._ai_client = AiClient(self._services)
        self.a1111 = A1111(self._services)
        self.comfyui = Comfyui(self._services)
        self.openai = OpenaiImages(self._services)
        self.horde = AiHorde(self._services)
        self.latency = latency
        self.rate = rate
        self.keys = keys
        self.calls: list[Call] = []
        self._called = 0
        self._uploads = KeptUploads()
        self._control = control
        self._hosts = LOOPBACK
        self._limits: dict[str, RateLimit] = {}
        self._armed: list[Armed] = []
        self._released = asyncio.Event()
        self._news = asyncio.Event()
        self._runner: web.AppRunner | None = None

    # -- controls for a test or a demo

    @property
    def url(self) -> str:
        """Scheme, host and port; the base of ai-client is this and ``/api/v1``."""
        return self._services.url

    @property
    def bills(self) -> list[Bill]:
        """All bills, in order."""
        return self._services.renderings.bills

    @property
    def renderings(self) -> Renderings:
        """The current and past renderings."""
        return self._services.renderings

    @property
    def services(self) -> Services:
        """The settings that can change while it runs: the default fate and the filtered words."""
        return self._services

    @property
    def charged(self) -> int:
        """The sum of all bills, in millicredits."""
        return self.renderings.charged

    def calls_to(self, route: str) -> list[Call]:
        """The calls to a route, by its exact name."""
        return [call for call in self.calls if call.route == route]

    async def called(self, route: str, count: int = 1, *, within: float = 30.0) -> list[Call]:
        """Wait until a route has been called ``count`` times, and return these calls.

        Raises TimeoutError if that takes more than ``within`` seconds.
        """
        async with asyncio.timeout(within):
            while len(self.calls_to(route)) < count:
                await self._news.wait()
        return self.calls_to(route)

    def misbehave(self, *faults: Fault) -> None:
        """Add these faults after the existing ones."""
        self._armed += [Armed(fault, fault.skip, fault.times) for fault in faults]

    def behave(self) -> None:
        """Remove all faults and release the hanging calls."""
        self._armed.clear()
        self.release()

    def release(self) -> None:
        """Release the calls that hang now."""
        self._released.set()
        self._released = asyncio.Event()

    def finish(self, guid: str) -> None:
        """End the rendering with this guid (of the request entry) now. Raises KeyError."""
        self.renderings.finish(guid)

    def finish_all(self) -> int:
        """End all unfinished renderings; return how many."""
        return self.renderings.finish_all()

    def memory(self) -> bytes:
        """The threads and renderings of ai-client as a pickle. A direct response is lost with its connection."""
        return pickle.dumps(self._ai_client.memory)

    def recall(self, memory: bytes) -> None:
        """Go on with what an earlier stand-in remembered, in a running event loop."""
        # With the same seed it would give out the same ids again.
        self._services.chance.seed()
        self._ai_client.recall(*pickle.loads(memory))  # noqa: S301  a file of the same user

    # -- running it

    async def start(self, port: int = 0, host: str = "127.0.0.1") -> None:
        """Listen. Port 0: any free one."""
        app = web.Application(middlewares=[self._middleware], client_max_size=64_000_000)
        self._ai_client.add_routes(app.router)
        Aithriving(self._services).add_routes(app.router)
        self.a1111.add_routes(app.router)
        self.comfyui.add_routes(app.router)
        self.openai.add_routes(app.router)
        self.horde.add_routes(app.router)
        if self._control:
            Control(self).add_routes(app.router)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        # In a larger burst of connections, the kernel would make the rest retry a second later.
        site = web.TCPSite(self._runner, host, port, backlog=1024)
        await site.start()
        bound = self._runner.addresses[0]
        self._hosts = LOOPBACK | {bound[0]}
        self._services.url = f"http://{bound[0]}:{bound[1]}"

    async def stop(self) -> None:
        """Stop listening and cancel what is unfinished."""
        self._released.set()
        await self.renderings.close()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        self._executor.shutdown(wait=False, cancel_futures=True)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    # -- a request

    @web.middleware
    async def _middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        # By DNS rebinding, a web page could point its own name here and then read and control everything.
        if host_of(request) not in self._hosts:
            raise web.HTTPMisdirectedRequest
        resource = request.match_info.route.resource
        route = resource.name if resource is not None else None
        if route is None:
            return await handler(request)
        exchange = await self._exchange(request, route, handler)
        call = exchange.call
        self.calls.append(call)
        drop_oldest(self.calls, self._services.remember)
        if call.files:
            self._uploads.add(call)
        self._news.set()
        self._news = asyncio.Event()
        if self.latency[1] > 0:
            await asyncio.sleep(self._services.chance.uniform(*self.latency))
        fault = self._pick(call)
        request[EXCHANGE] = exchange
        if fault is None:
            response: web.StreamResponse = await exchange.proceed()
        elif isinstance(fault.act, Fate):
            exchange.fate = fault.act
            response = await exchange.proceed()
        else:
            response = await fault.act(exchange)
        cut_off = request.transport is None or request.transport.is_closing()
        call.status = None if cut_off else response.status
        return response

    async def _exchange(self, request: web.Request, route: str, handler: Handler) -> Exchange:
        form: dict[str, str] = {}
        body: Json = None
        multipart: Form | None = None
        if route.startswith(("aithriving.", "comfyui.", "openai.")) and request.content_type == MULTIPART:
            multipart = await read_form(request)
            body = dict(multipart.fields)
        elif route.startswith("ai-client.") and request.content_type in FORMS:
            form = {name: value for name, value in (await request.post()).items() if isinstance(value, str)}
            body = dict(form)
        elif request.can_read_body:
            # Whatever the content type: a program in the provider's documentation sends JSON without one.
            try:
                body = json.loads(await request.text())
            except ValueError:
                body = None
        self._called += 1
        call = Call(
            number=self._called,
            route=route,
            method=request.method,
            path=request.path_qs,
            body=body,
            headers=dict(request.headers),
            at=int(time.time() * 1000),
            files=multipart.files if multipart is not None else {},
        )

        async def do(request: web.Request) -> web.Response:
            refusal = self._refusal(request, call)
            if refusal is not None:
                return refusal
            response = await handler(request)
            assert isinstance(response, web.Response)
            return response

        return Exchange(request, call, self._services.fate, form, self._released, do, multipart)

    def _pick(self, call: Call) -> Fault | None:
        for armed in self._armed:
            if not armed.fault.fits(call):
                continue
            if armed.skip > 0:
                armed.skip -= 1
                continue
            if armed.left is not None:
                armed.left -= 1
                if armed.left <= 0:
                    self._armed.remove(armed)
            call.fault = repr(armed.fault.act)
            return armed.fault
        return None

    def _refusal(self, request: web.Request, call: Call) -> web.Response | None:
        """The reason why a service refuses this request unread: no key, or too many requests."""
        if call.route in FREE_ROUTES:
            return None
        if call.provider == "a1111":
            return self.a1111.refusal(call)
        if call.provider in {"comfyui", "openai"}:
            keyed: Comfyui | OpenaiImages = self.comfyui if call.provider == "comfyui" else self.openai
            return keyed.refusal(call, self.keys)
        if call.provider == "horde":
            return self.horde.refusal(call)
        if not self._has_key(call):
            if call.provider == "aithriving":
                return aithriving.refuse(request, "Invalid API key.", status=401)
            if "json" in request.headers.get("Accept", ""):
                return web.json_response({"message": "Unauthenticated."}, status=401)
            return web.Response(status=302, headers={"Location": f"{self.url}/login"}, content_type="text/html")
        if self.rate is None:
            return None
        limit = self._limits.get(call.provider)
        if limit is None or limit.rate != self.rate:
            limit = self._limits[call.provider] = RateLimit(self.rate)
        seconds = limit.wait(self._services.now())
        if not seconds:
            return None
        headers = {"Retry-After": str(seconds)}
        if call.provider == "aithriving":
            refused = aithriving.refuse(request, "Too many requests.", status=429)
            refused.headers.update(headers)
            return refused
        return web.json_response({"message": "Too Many Attempts."}, status=429, headers=headers)

    def _has_key(self, call: Call) -> bool:
        if call.provider == "ai-client":
            scheme, _, key = (call.authorization or "").partition(" ")
            key = key if scheme == "Bearer" else ""
        else:
            # The page's table names one header and its examples another; a scheme may precede the key.
            told = call.authorization or call.headers.get("Authentication") or ""
            key = told.rpartition(" ")[2]
        return bool(key) and (self.keys is None or key in self.keys)
