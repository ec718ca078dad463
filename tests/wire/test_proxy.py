"""Discord and the image services behind a proxy, in a network without another way out."""

from __future__ import annotations

import asyncio
import base64
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot import config, doctor
from bot.app import assembled
from bot.discord_checks import DISCORD_AWAY
from bot.findings import Level
from bot.providers.credentials import Credentials
from bot.providers.errors import OutcomeUnknown, Unreachable
from bot.providers.http import Service
from bot.run import logged_in
from bot.ui.client import NO_SUCH_NAME
from fakes.discord.bot_process import BotProcess
from fakes.discord.forwarding import ForwardProxy, TlsFront
from fakes.discord.loopback import Discord
from fakes.discord.model import Channel
from fakes.services import StandIn, flat
from tests.wire.house import ADDRESSES, CORE, CORE_ROUTE, PROMPT, HouseClock

# Names that only the proxy can resolve.
DISCORD, SERVICES = "discord.invalid", "services.invalid"

KEY = Credentials.key("made-up-secret")


@pytest.fixture
async def services() -> AsyncIterator[StandIn]:
    async with StandIn(seconds=(0.0, 0.0), painter=flat) as stand_in:
        yield stand_in


@pytest.fixture
async def proxy(discord: Discord, services: StandIn) -> AsyncIterator[ForwardProxy]:
    discord.world.gateway_url = f"ws://{DISCORD}/gateway/"
    discord.world.cdn = f"http://{DISCORD}"
    async with ForwardProxy({DISCORD: discord.server.origin, SERVICES: services.url}) as made:
        yield made


def environ(discord: Discord, proxy: ForwardProxy, folder: Path, **more: str) -> dict[str, str]:
    return {
        "DISCORD_TOKEN": discord.token,
        "DISCORD_API_URL": f"http://{DISCORD}/api/v10",
        "HTTP_PROXY": f"http://ada:swordfish@localhost:{proxy.port}",
        "DATA_DIR": str(folder),
        "AITHRIVING_KEY": "made-up-key",
        "AITHRIVING_URL": f"http://{SERVICES}",
        "DEFAULT_ENGINE": CORE,
        **more,
    }


@pytest.mark.slow
async def test_the_bot_works_through_a_proxy_from_login_to_image(
    discord: Discord,
    channel: Channel,
    services: StandIn,
    proxy: ForwardProxy,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for owner, name in ADDRESSES:
        monkeypatch.setattr(owner, name, getattr(owner, name))
    settings = config.load(environ(discord, proxy, tmp_path), env_file=None)
    async with assembled(settings, clock=HouseClock()) as runtime, logged_in(runtime) as client:
        connected = asyncio.create_task(client.connect())
        await discord.gateway.ready()
        async with runtime.working(grace=0):
            asked = await discord.user("ada").slash(channel, "imagine", prompt=PROMPT, engine=CORE)
            result = await asked.until(lambda seen: bool(seen.pictures))
            assert len(result.files) == 1
        # The same holds after an invalid session, which reconnects to the gateway's own address.
        discord.gateway.invalidate()
        await discord.gateway.ready(2)
        await client.close()
        await connected
    assert len(services.calls_to(CORE_ROUTE)) == 1
    assert proxy.names() == {DISCORD, SERVICES}
    assert proxy.credentials == {f"Basic {base64.b64encode(b'ada:swordfish').decode()}"}


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate for the name of Discord that only those who are told trust, and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate")
    made, key = tmp_path / "discord.pem", tmp_path / "discord.key"
    self_signed = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={DISCORD}"]
    named = ["-addext", f"subjectAltName=DNS:{DISCORD}", "-keyout", str(key), "-out", str(made)]
    subprocess.run([*self_signed, *named], check=True, capture_output=True)  # noqa: S603 - all words are our own
    return made, key


@pytest.mark.slow
async def test_the_bot_reaches_a_discord_with_tls_through_a_proxy(
    discord: Discord, channel: Channel, services: StandIn, certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    """Requests and the gateway go through tunnels, and the certificate of the real host is checked."""
    discord.world.gateway_url = f"wss://{DISCORD}/gateway/"
    discord.world.cdn = f"https://{DISCORD}"
    async with (
        TlsFront(*certificate, discord.server.origin) as front,
        ForwardProxy({DISCORD: front.origin, SERVICES: services.url}) as proxy,
    ):
        more = environ(discord, proxy, tmp_path, DISCORD_API_URL=f"https://{DISCORD}/api/v10")
        more["HTTPS_PROXY"] = more["HTTP_PROXY"]
        async with BotProcess(
            discord, tmp_path, services.url, more={**more, "SSL_CERT_FILE": str(certificate[0])}
        ) as bot:
            await bot.ready()
            asked = await discord.user("ada").slash(channel, "imagine", prompt=PROMPT, engine=CORE)
            result = await asked.until(lambda seen: bool(seen.pictures))
            assert len(result.files) == 1
        tunnels = [line for line in proxy.asked if line.startswith("CONNECT")]
        assert tunnels
        assert {line.split()[1] for line in tunnels} == {f"{DISCORD}:443"}
        async with BotProcess(discord, tmp_path / "distrustful", services.url, more=more) as bot:
            bot.errors_expected = True
            await bot.start()
            assert await bot.ended() != 0, "a certificate that nobody vouches for is not trusted"


async def test_the_doctor_uses_the_proxy(
    discord: Discord, services: StandIn, proxy: ForwardProxy, tmp_path: Path
) -> None:
    safe = {"BOT_DAILY_CREDITS": "200", "ALLOWED_GUILDS": "all"}
    settings = config.load(environ(discord, proxy, tmp_path, **safe), env_file=None)
    findings = [finding async for finding in doctor.examine(settings)]
    assert [finding for finding in findings if finding.level is Level.TO_DO] == []
    assert "proxy" in {finding.subject for finding in findings}
    assert proxy.names() == {DISCORD, SERVICES}
    assert not any("swordfish" in str(finding) for finding in findings)
    # Without the proxy, neither can be reached, as in a running bot.
    settings = config.load(environ(discord, proxy, tmp_path, NO_PROXY="*", **safe), env_file=None)
    wrong = [finding async for finding in doctor.examine(settings) if finding.level is Level.TO_DO]
    assert len(wrong) == 2
    assert wrong[1].text == DISCORD_AWAY(reason=NO_SUCH_NAME())


async def test_an_unreachable_or_refusing_proxy_sent_nothing(proxy: ForwardProxy) -> None:
    """The paid request was certainly not sent, so it is no unknown outcome."""
    for wrong in ("http://localhost:1", f"http://localhost:{proxy.port}"):
        through = {"https://elsewhere.invalid/paint": wrong}.get
        service = Service("Painter", "https://elsewhere.invalid", credentials=KEY, proxy=through)
        with pytest.raises(Unreachable):
            await service.call("POST", "/paint", paid=True)
        await service.close()


async def test_a_request_lost_behind_a_proxy_may_have_been_executed(proxy: ForwardProxy) -> None:
    """The proxy forwarded the request, and no response arrives."""
    proxy.cutting = True
    through = f"http://localhost:{proxy.port}"
    service = Service("Painter", f"http://{SERVICES}", credentials=KEY, proxy=lambda _: through)
    with pytest.raises(OutcomeUnknown):
        await service.call("POST", "/paint", paid=True)
    await service.close()


async def test_a_proxy_gives_no_images_and_hides_no_private_names() -> None:
    service = Service(
        "Painter",
        "https://api.example",
        credentials=KEY,
        proxy=lambda _: "http://proxy.lan:1",
    )
    assert service.proxy_for(service.base) == "http://proxy.lan:1"
    assert service.hosts.names("proxy.lan")
    assert not service.hosts.allow(service.base.with_host("proxy.lan"))
    assert not service.hosts.names("other.lan")
    await service.close()
