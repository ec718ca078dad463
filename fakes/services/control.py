"""The control endpoint of a stand-in that runs as a process: set faults, read calls and bills.

It needs no key, so it is for tests and local use only. The demo's stand-in does not have it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from aiohttp import web

from fakes.services.call_log import Bill, Call, Json
from fakes.services.exchange import Services
from fakes.services.fault_json import fault_from, pair
from fakes.services.faults import Fault
from fakes.services.rendering import Renderings


class Controlled(Protocol):
    """The part of a stand-in that the control endpoint uses."""

    calls: list[Call]
    latency: tuple[float, float]
    rate: float | None
    keys: frozenset[str] | None

    @property
    def bills(self) -> list[Bill]: ...

    @property
    def charged(self) -> int: ...

    @property
    def renderings(self) -> Renderings: ...

    @property
    def services(self) -> Services: ...

    def misbehave(self, *faults: Fault) -> None: ...

    def behave(self) -> None: ...

    def release(self) -> None: ...

    def finish(self, guid: str) -> None: ...

    def finish_all(self) -> int: ...


class Control:
    """``GET /_control`` returns calls and bills; ``POST /_control`` takes an object of optional commands."""

    def __init__(self, stand_in: Controlled) -> None:
        self._stand_in = stand_in

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_get("/_control", self.show)
        router.add_post("/_control", self.command)

    async def show(self, request: web.Request) -> web.Response:
        """Return everything recorded so far; with ``?since=N`` only the calls after call number N."""
        since = request.query.get("since", "0")
        if not since.isdecimal():
            raise web.HTTPBadRequest(text="since must be the number of a call")
        stand_in = self._stand_in
        renderings: list[Json] = [
            {
                "guid": rendering.guid,
                "provider": rendering.provider,
                "engine": rendering.engine,
                "over": rendering.over,
                "prompt": rendering.prompt,
                "began_at": int(rendering.began_at * 1000),
                "ended_at": int(rendering.ended_at * 1000),
            }
            for rendering in stand_in.renderings.by_guid.values()
        ]
        calls: list[Json] = [call.to_json() for call in stand_in.calls if call.number > int(since)]
        bills: list[Json] = [bill.to_json() for bill in stand_in.bills]
        return web.json_response(
            {"calls": calls, "bills": bills, "renderings": renderings, "charged": stand_in.charged}
        )

    async def command(self, request: web.Request) -> web.Response:
        """Carry out the commands, in the order of this method.

        An unknown command is answered 400 and named; a body that is not JSON is answered 415.

        A body of another type is answered 415.
        """
        if request.content_type != "application/json":
            # A web page can send a form or plain text to any host, but JSON only with permission (CORS).
            raise web.HTTPUnsupportedMediaType(text="orders are application/json")
        try:
            orders = await request.json()
            if not isinstance(orders, dict):
                raise TypeError("the orders must be a JSON object")
            done = self._carry_out(orders)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise web.HTTPBadRequest(text=f"not understood: {error}") from error
        return web.json_response(done)

    def _carry_out(self, orders: dict[str, Json]) -> dict[str, Json]:
        stand_in = self._stand_in
        steps: dict[str, Callable[[Json], int | None]] = {
            "behave": lambda yes: stand_in.behave() if yes else None,
            "release": lambda yes: stand_in.release() if yes else None,
            "seconds": self._set_seconds,
            "latency": self._set_latency,
            "rate": self._set_rate,
            "keys": self._set_keys,
            "balance": self._set_balance,
            "sd3_versions": self._set_sd3_versions,
            "misbehave": self._misbehave,
            "finish": self._finish,
        }
        if unknown := orders.keys() - steps.keys():
            raise ValueError(f"no such order: {', '.join(sorted(unknown))}")
        done: dict[str, Json] = {"ok": True}
        for name, step in steps.items():
            if name in orders and (count := step(orders[name])) is not None:
                done[name] = count
        return done

    def _set_seconds(self, value: Json) -> None:
        self._stand_in.renderings.seconds = None if value is None else pair(value)

    def _set_latency(self, value: Json) -> None:
        self._stand_in.latency = pair(value)

    def _set_rate(self, value: Json) -> None:
        if value is not None and (not isinstance(value, int | float) or value <= 0):
            raise ValueError("rate must be a number above 0, or null")
        self._stand_in.rate = value

    def _set_keys(self, value: Json) -> None:
        self._stand_in.keys = frozenset(str(key) for key in value) if isinstance(value, list) else None

    def _set_balance(self, value: Json) -> None:
        if value is not None and not isinstance(value, int):
            raise ValueError("balance must be whole millicredits, or null")
        self._stand_in.renderings.balance = value

    def _set_sd3_versions(self, value: Json) -> None:
        if not isinstance(value, list) or not {"sdv3", "sd3"}.issuperset(map(str, value)):
            raise ValueError("sd3_versions must be a list of sdv3 and sd3")
        self._stand_in.services.sd3_versions = frozenset(map(str, value))

    def _misbehave(self, value: Json) -> int:
        faults = [fault_from(order) for order in (value if isinstance(value, list) else [value])]
        self._stand_in.misbehave(*faults)
        return len(faults)

    def _finish(self, value: Json) -> int:
        if value == "all":
            return self._stand_in.finish_all()
        self._stand_in.finish(str(value))
        return 1
