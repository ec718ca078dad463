"""The world of the playground on disk, so that its messages are still there after a restart of the program.

SimCord keeps its Discord in memory. Here its people, commands and messages are written to a file, and each attachment
to a file of its own; so is what the services' stand-in remembers. The files are pickles: the folder belongs to the user
who runs the playground, and a file of another version of SimCord is ignored.
"""

# ruff: noqa: SLF001 SimCord has no public way to list its files

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import simcord
import structlog

from fakes.services import StandIn
from storage.files import make_folder, put_in_place

if TYPE_CHECKING:
    from simcord.backend import Backend

log = structlog.get_logger(__name__)

KEPT_MESSAGES = 300
"""How many of the newest messages of a channel are kept over a restart."""
_PARTS = (
    "users guilds channels messages webhooks webhook_tokens dm_channels commands interactions interaction_tokens "
    "command_permissions application_id bot_user"
).split()


@dataclass(frozen=True, slots=True)
class Moment:
    """The world at one moment: its pickled parts, attachments that have no file yet, and the memory of the services."""

    parts: bytes
    files: Mapping[str, bytes]
    services: bytes


@dataclass(slots=True)
class SavedWorld:
    """A world in a folder. ``take`` and ``recall_services`` run in the event loop; the other functions block."""

    folder: Path
    _names: dict[str, str] = field(default_factory=dict)
    """The file of each attachment, by its address."""
    _written: set[str] = field(default_factory=set)
    """The names of the files that are on the disk."""
    _writing: Lock = field(default_factory=Lock)

    def load(self, backend: Backend) -> bool:
        """Put the saved world into a new backend. Returns False if there is none that can be read."""
        try:
            saved = pickle.loads(self._file.read_bytes())  # noqa: S301  our own file, in the user's own folder
            if saved["version"] != simcord.__version__:
                return False
            parts = {name: saved["parts"][name] for name in _PARTS}
            names: dict[str, str] = saved["files"]
        except FileNotFoundError:
            return False
        except Exception as error:  # noqa: BLE001  a damaged pickle can raise anything
            log.warning("world.not_read", error=type(error).__name__)
            return False
        _forget_old(parts, now=backend.now_iso())
        used = {
            file["url"]
            for channel in parts["messages"].values()
            for each in channel.values()
            for file in each.attachments
        }
        self._names = {url: name for url, name in names.items() if url in used and (self._files / name).is_file()}
        backend.cdn._blobs.update({url: (self._files / name).read_bytes() for url, name in self._names.items()})
        self._written = set(self._names.values())
        vars(backend).update(parts)
        for path in self._files.iterdir():
            if path.name not in self._written:
                path.unlink()
        return True

    def services_memory(self) -> bytes | None:
        """What the stand-in remembered, or None."""
        try:
            return self._services.read_bytes()
        except FileNotFoundError:
            return None

    @staticmethod
    def recall_services(services: StandIn, memory: bytes) -> None:
        """Restore the stand-in's renderings, if the saved data is readable."""
        try:
            services.recall(memory)
        except Exception as error:  # noqa: BLE001  a damaged pickle can raise anything
            log.warning("services.not_recalled", error=type(error).__name__)

    def take(self, backend: Backend, services: StandIn) -> Moment:
        """The world as it is now."""
        blobs = backend.cdn._blobs
        for url in blobs.keys() - self._names.keys():
            self._names[url] = hashlib.sha256(url.encode()).hexdigest()
        fresh = {name: blobs[url] for url, name in self._names.items() if name not in self._written}
        parts = {name: getattr(backend, name) for name in _PARTS}
        saved = {"version": simcord.__version__, "parts": parts, "files": self._names}
        return Moment(pickle.dumps(saved), fresh, services.memory())

    def write(self, moment: Moment) -> None:
        """Write a moment: the files of attachments first, so that the world never names one that is missing."""
        # A thread goes on after its task was cancelled.
        with self._writing:
            make_folder(self._files)
            for name, data in moment.files.items():
                self._put(self._files / name, data)
                self._written.add(name)
            self._put(self._file, moment.parts)
            self._put(self._services, moment.services)

    @property
    def _file(self) -> Path:
        return self.folder / "world.pickle"

    @property
    def _services(self) -> Path:
        return self.folder / "services.pickle"

    @property
    def _files(self) -> Path:
        return self.folder / "attachments"

    @staticmethod
    def _put(path: Path, data: bytes) -> None:
        aside = path.with_name(f"{path.name}.new")
        aside.write_bytes(data)
        put_in_place(aside, path)


def _forget_old(parts: dict[str, Any], *, now: str) -> None:
    """Drop the oldest messages, and the interactions whose tokens are no longer valid."""
    for channel_id, messages in parts["messages"].items():
        newest = sorted(messages)[-KEPT_MESSAGES:]
        parts["messages"][channel_id] = {message_id: messages[message_id] for message_id in newest}
    valid = {key: each for key, each in parts["interactions"].items() if each.expires_at and each.expires_at > now}
    parts["interactions"] = valid
    parts["interaction_tokens"] = {token: key for token, key in parts["interaction_tokens"].items() if key in valid}
