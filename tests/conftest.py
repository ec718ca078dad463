"""Fixtures for all tests: they forbid requests to other machines and blocking calls on the event loop."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
import traceback
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any, ClassVar

import blockbuster.blockbuster
import pytest
from blockbuster import BlockBuster, BlockingError
from hypothesis import HealthCheck, settings

import bot
import cogs
import playground
import storage
from bot import text
from bot.logs import through_logging
from storage.database import migrate
from storage.pools import Pools
from tests.doubles.texts import MadeUpLanguage

# The machine's speed must not decide whether a test passes. Runs in CI must be repeatable.
settings.register_profile("here", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", parent=settings.get_profile("here"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")


def pytest_xdist_auto_num_workers() -> int:
    """Use three workers for two cores: tests sometimes wait for the disk, but each worker imports everything."""
    return (3 * (os.cpu_count() or 1) + 1) // 2


@pytest.fixture(scope="session", autouse=True)
def one_way_for_all_lines() -> None:
    """Send structlog's events to ``caplog`` too."""
    through_logging()


@pytest.fixture(scope="session", autouse=True)
def loopback_only() -> Iterator[None]:
    """Fail a test that contacts another machine. Names under ``.invalid`` do not resolve, as intended."""
    with pytest.MonkeyPatch.context() as patch:
        connect, resolve = socket.socket.connect, socket.getaddrinfo

        def connect_here(sock: socket.socket, address: Any) -> None:
            if sock.family in {socket.AF_INET, socket.AF_INET6} and not _is_here(address[0]):
                pytest.fail(f"this test connects to {address}")
            connect(sock, address)

        def resolve_here(host: str | bytes | None, *args: Any, **kwargs: Any) -> Any:
            name = host.decode() if isinstance(host, bytes) else host
            if name and name.endswith(".invalid"):
                raise socket.gaierror(socket.EAI_NONAME, "this name is not meant to exist")
            if name and not _is_here(name):
                pytest.fail(f"this test resolves {name}")
            return resolve(host, *args, **kwargs)

        patch.setattr(socket.socket, "connect", connect_here)
        patch.setattr(socket, "getaddrinfo", resolve_here)
        yield


class Blocked(BlockingError):
    """Records every blocking call, since the calling code may catch the exception and continue."""

    seen: ClassVar[list[str]] = []

    def __init__(self, func: str) -> None:
        super().__init__(func)
        stack = traceback.extract_stack()
        self.seen.append(" > ".join(f"{frame.filename}:{frame.lineno}" for frame in stack[-8:-2]) + f" > {func}")


@pytest.fixture(scope="session")
def blocking_detector(loopback_only: None) -> Iterator[None]:
    """Raise an error if our code, or a library called by it, blocks the event loop."""
    detector = BlockBuster([bot, cogs, playground, storage])
    # Whether a lock is held at a given moment is random, so tests would be flaky. The current folder is read from the
    # kernel, not from the disk.
    for name in ("threading.Lock.acquire", "threading.Lock.acquire_lock", "os.getcwd"):
        del detector.functions[name]
    # This reads the current folder of the process, not the disk.
    del detector.functions["os.path.abspath"]
    # Writing log lines to standard error counts as fast. pytest also captures them in a file.
    for name in ("io.TextIOWrapper.write", "io.BufferedWriter.write"):
        detector.functions[name].can_block_in("logging/__init__.py", {"emit", "flush"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blockbuster.blockbuster, "BlockingError", Blocked)
        detector.activate()
        yield
        detector.deactivate()


@pytest.fixture(autouse=True)
def no_blocking_on_the_loop(blocking_detector: None) -> Iterator[list[str]]:
    """Fail a test in which the event loop was blocked. The test may inspect the recorded calls and clear them."""
    Blocked.seen.clear()
    yield Blocked.seen
    assert not Blocked.seen, f"these calls blocked the event loop: {Blocked.seen}"


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of an empty, migrated database. Tests copy it, since a migration takes longer than most of them."""
    path = tmp_path_factory.mktemp("template") / "easel.db"
    asyncio.run(migrate(f"sqlite+aiosqlite:///{path}"))
    return path


@pytest.fixture
def pools() -> Iterator[Pools]:
    """The thread pools for reading and writing files and for decoding images."""
    made = Pools()
    yield made
    made.pictures.shutdown()
    made.files.shutdown()


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@pytest.fixture
def made_up_language(monkeypatch: pytest.MonkeyPatch) -> None:
    """Show every text in a made-up language with accents, a third longer than English."""
    language = MadeUpLanguage()
    monkeypatch.setattr(text, "_LANGUAGES", {text.ENGLISH: language})
    monkeypatch.setattr(text, "_READ_IN", ContextVar("made_up", default=language))


@pytest.fixture(params=["English", "a made-up language"])
def any_language(request: pytest.FixtureRequest) -> None:
    """Run the test in English and in a made-up language."""
    if request.param != "English":
        request.getfixturevalue("made_up_language")
