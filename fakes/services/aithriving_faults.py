"""Faults that only aithriving has: endpoints that are not there, and engines that are there no more."""

from __future__ import annotations

from fakes.services.aithriving import NOT_FOUND_PAGE
from fakes.services.call_log import Json
from fakes.services.faults import Fault, Status


def absent(route: str, times: int | None = None, code: int = 404) -> Fault:
    """No such path: 404 or 405 with a web page, which is not the service's answer."""
    return Fault(route, Status(code, NOT_FOUND_PAGE, content_type="text/html"), times)


def retired(route: str, times: int | None = None, code: int = 404) -> Fault:
    """The service no longer has the engine, and says so in its own JSON."""
    body: Json = {"code": -1, "message": "The engine was not found. It has been deprecated.", "data": None}
    return Fault(route, Status(code, body), times)
