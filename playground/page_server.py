"""The page's server: SimCord's, with our files, and an API for what Discord does not have.

``GET /api/playground`` returns the page's settings; ``POST`` switches a fault of the services on or restarts the bot.
``GET /api/playground/pictures/<name>`` returns one of the pictures to start from, and ``…/thumbnail`` a small one.
"""

# ruff: noqa: SLF001 SimCord has no public API for what this file does

from __future__ import annotations

import asyncio
import mimetypes
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import discord
from aiohttp import web
from simcord.backend.errors import SetupError
from simcord.preview import Preview
from simcord.preview import _server as simcord_server
from simcord.preview._server import PreviewServer, _read_json_body

from playground.page_files import JAVASCRIPT, OUR_FILES, OURS
from playground.sample_pictures import SAMPLES, SamplePictures, sample_named
from playground.service_faults import Switch

PROMPTS = (
    "a lighthouse on a cliff at sunset",
    "a {red, blue} fox in a snowy forest",
    "a sailing boat under the moon --size 3:2 --images 2",
)
"""Examples that are a click away."""


@dataclass(frozen=True, slots=True)
class Controls:
    """The actions of the page that Discord does not have: ``restart`` restarts the bot, ``services`` switches faults.

    ``pictures`` are offered to start from; None: no picture is offered.
    """

    restart: Callable[[], Awaitable[None]]
    services: Switch
    pictures: SamplePictures | None = None


class Server(PreviewServer):
    """The page's server. ``refresh`` is called with a page's id before its state is read."""

    _STATIC_FILES: ClassVar[dict[str, str]] = {
        **PreviewServer._STATIC_FILES,
        **{f"/{name}": str(OURS / name) for name in OUR_FILES},
    }
    _STATIC_CONTENT_TYPES: ClassVar[dict[str, str]] = {
        **PreviewServer._STATIC_CONTENT_TYPES,
        **{str(OURS / name): content_type for name, content_type in OUR_FILES.items()},
    }

    def __init__(
        self,
        preview: Preview,
        port: int,
        changed: Mapping[str, str],
        refresh: Callable[[str | None], None],
        controls: Controls | None,
    ) -> None:
        super().__init__(preview, port)
        self._changed = changed
        self._refresh = refresh
        self._controls = controls
        self._restarting = asyncio.Lock()

    async def start(self) -> None:
        """Listen. SimCord's version of this takes no further routes. Raises SetupError from an OSError."""
        app = web.Application(handler_args={"handler_cancellation": False})
        for route, name in self._STATIC_FILES.items():
            app.router.add_get(route, self._changed_file if name in self._changed else self._static)
        app.router.add_post("/api/pages", self._pages)
        app.router.add_delete("/api/pages/{context_id}", self._delete_page)
        app.router.add_get("/api/state", self._state)
        app.router.add_get("/api/commands", self._commands)
        app.router.add_get("/api/action-result", self._action_result)
        app.router.add_post("/api/action", self._action)
        app.router.add_get("/api/assets/{asset_id}", self._asset)
        app.router.add_get("/api/playground", self._show_controls)
        app.router.add_post("/api/playground", self._control)
        app.router.add_get("/api/playground/pictures/{name}", self._picture)
        app.router.add_get("/api/playground/pictures/{name}/thumbnail", self._thumbnail)
        vars(simcord_server)["web"] = web  # the handlers of SimCord's module use this global, which its start() sets
        self.runner = web.AppRunner(app, access_log=None)
        await self.runner.setup()
        self.site = web.TCPSite(self.runner, "127.0.0.1", self._requested_port)
        try:
            await self.site.start()
        except OSError as error:
            raise SetupError("the port cannot be used") from error
        self.port = self.runner.addresses[0][1]

    async def _changed_file(self, request: web.Request) -> web.Response:
        if request.headers.get("Host", "") not in self._allowed_hosts():
            raise web.HTTPForbidden
        text = self._changed[self._STATIC_FILES[request.path]]
        content_type = "text/html" if request.path == "/" else JAVASCRIPT
        return web.Response(text=text, content_type=content_type, headers=self._SECURITY_HEADERS)

    async def _state(self, request: web.Request) -> web.Response:
        context_id = request.headers.get("X-Simcord-Context")
        if self._authorized(request, context=context_id):
            self._refresh(context_id)
        response: web.Response = await super()._state(request)
        return response

    async def _show_controls(self, request: web.Request) -> web.Response:
        if not self._authorized(request):
            raise web.HTTPUnauthorized
        return web.json_response(self._shown(), headers=self._SECURITY_HEADERS)

    async def _control(self, request: web.Request) -> web.Response:
        if not self._authorized(request):
            raise web.HTTPUnauthorized
        body = await _read_json_body(request)
        if self._controls is None or not isinstance(body, dict):
            raise web.HTTPBadRequest
        if "service" in body:
            if body["service"] not in self._controls.services.choices:
                raise web.HTTPBadRequest
            self._controls.services.to(body["service"])
        if body.get("restart") is True and not self._restarting.locked():
            async with self._restarting:
                await self._controls.restart()
        return web.json_response(self._shown(), headers=self._SECURITY_HEADERS)

    async def _picture(self, request: web.Request) -> web.Response:
        pictures, name = self._sample(request)
        # What a sample is called says its type, also to the page.
        content_type = mimetypes.guess_type(sample_named(name).filename)[0]
        return web.Response(
            body=await pictures.picture(name), content_type=content_type, headers=self._SECURITY_HEADERS
        )

    async def _thumbnail(self, request: web.Request) -> web.Response:
        pictures, name = self._sample(request)
        return web.Response(
            body=await pictures.thumbnail(name), content_type="image/webp", headers=self._SECURITY_HEADERS
        )

    def _sample(self, request: web.Request) -> tuple[SamplePictures, str]:
        if not self._authorized(request):
            raise web.HTTPUnauthorized
        name = request.match_info["name"]
        if self._controls is None or self._controls.pictures is None or name not in {each.name for each in SAMPLES}:
            raise web.HTTPNotFound
        return self._controls.pictures, name

    def _shown(self) -> dict[str, Any]:
        services = None if self._controls is None else self._controls.services
        offered = SAMPLES if self._controls is not None and self._controls.pictures is not None else ()
        return {
            "prompts": PROMPTS,
            "pictures": [
                {
                    "name": each.name,
                    "label": each.label,
                    "filename": each.filename,
                    "description": each.description,
                }
                for each in offered
            ],
            "menu": menu_commands(self.preview),
            "services": [
                {"name": choice.name, "label": choice.label, "hint": choice.hint}
                for choice in (services.choices.values() if services is not None else ())
            ],
            "service": None if services is None else services.current,
        }


def menu_commands(preview: Preview) -> list[str]:
    """The names of the commands in the menu of a message."""
    return [
        command["name"]
        for commands in preview.env.backend.commands.values()
        for (_, kind), command in commands.items()
        if kind == discord.AppCommandType.message.value
    ]
