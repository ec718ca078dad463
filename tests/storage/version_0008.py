"""Builds a database as the version with migration 0008 left it: the last one that stored sentences.

Everything is plain SQL and the JSON of that version, so creating old rows needs no current code:

    old = Version0008(user_id=1, server_id=10, channel_id=100, at=now)
    job = old.job("working", message_id=7)
    old.submission(job, "rendering", handle={"thread": "…", "request": "…", "images": 1})
    old.write(path)
"""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.storage.database_files import made_at

AI_CLIENT = "ai-client/stable-diffusion-xl-1024-v0-9"
CORE = "aithriving/core"
PRICES = {AI_CLIENT: 5000, CORE: 6000}
# The events that lead to each status: (old status, new status, reason).
ASKED = (None, "queued", "asked for")
SENT = ("queued", "submitting", "sent to the provider")
PATHS: dict[str, tuple[tuple[str | None, str, str], ...]] = {
    "queued": (ASKED,),
    "submitting": (ASKED, SENT),
    "rendering": (ASKED, SENT, ("submitting", "rendering", "accepted")),
    "done": (ASKED, SENT, ("submitting", "rendering", "accepted"), ("rendering", "done", "finished")),
    "failed": (ASKED, SENT, ("submitting", "failed", "The service refused this prompt.")),
    "unknown": (ASKED, SENT, ("submitting", "unknown", "The answer was lost.")),
    "cancelled": (ASKED, ("queued", "cancelled", "cancelled by its author")),
}
OPEN = frozenset({"queued", "submitting", "rendering"})


class Version0008:
    """One user's jobs in one channel. Ids count from 1 in the order of the calls."""

    def __init__(self, *, user_id: int, server_id: int, channel_id: int, at: int) -> None:
        self._rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.user_id = user_id
        self.server_id = server_id
        self.channel_id = channel_id
        self.at = at
        self._insert(
            "threads", user_id=user_id, place_id=server_id, title="old work", created_at=at, updated_at=at, titled_by=1
        )

    def job(
        self,
        status: str,
        *,
        message_id: int | None,
        prompt: str = "a fox",
        private: bool = False,
        token: str | None = None,
        note: str | None = None,
        planned: tuple[str, ...] = (),
        **columns: Any,
    ) -> int:
        """``note`` is the delivery note, a sentence; ``planned`` are the prompts of a proposal's requests."""
        options: dict[str, Any] = dict.fromkeys(
            "engine size images negative style steps seed guidance sampler thread engines".split()
        ) | {"prompt": prompt, "private": private, "spoiler": False}
        if planned:
            options["planned"] = [request(CORE, text) for text in planned]
        over = status not in ("proposed", "working")
        return self._insert(
            "jobs",
            thread_id=1,
            user_id=self.user_id,
            server_id=self.server_id,
            status=status,
            options=json.dumps(options),
            private=int(private),
            channel_id=self.channel_id,
            message_id=message_id,
            interaction_token=token,
            token_expires_at=self.at + 900_000,
            file_limit=10 * 2**20,
            delivery_note=note,
            created_at=self.at,
            updated_at=self.at,
            ended_at=self.at if over else None,
            delivered_at=self.at if status == "delivered" else None,
            words=prompt,
            **columns,
        )

    def submission(
        self,
        job_id: int,
        status: str,
        *,
        engine: str = CORE,
        prompt: str = "a fox",
        handle: dict[str, Any] | None = None,
        file: str | None = None,
        **columns: Any,
    ) -> int:
        """Add one request with the events and ledger entries of its status, and its image if it is done."""
        sent = any(new == "submitting" for _, new, _ in PATHS[status])
        position = sum(each["job_id"] == job_id for each in self._rows["submissions"])
        submission_id = self._insert(
            "submissions",
            job_id=job_id,
            position=position,
            user_id=self.user_id,
            engine=engine,
            provider=engine.partition("/")[0],
            status=status,
            request=json.dumps(request(engine, prompt)),
            handle=json.dumps(handle) if handle is not None else None,
            sent_at=self.at if sent else None,
            finished_at=self.at if status == "done" else None,
            ended_at=None if status in OPEN else self.at,
            created_at=self.at,
            updated_at=self.at,
            sendings=int(sent),
            charged=PRICES[engine] if status == "done" else None,
            **columns,
        )
        for old, new, why in PATHS[status]:
            self._insert("events", submission_id=submission_id, old_status=old, new_status=new, at=self.at, why=why)
        self._book(job_id, submission_id, engine, status, position)
        if status == "done":
            self._insert(
                "images",
                submission_id=submission_id,
                position=0,
                file=file,
                media_type="image/png",
                width=64,
                height=64,
                bytes=100,
                created_at=self.at,
            )
        return submission_id

    def user_settings(self, settings: dict[str, Any]) -> None:
        self._insert("user_settings", user_id=self.user_id, settings=json.dumps(settings), updated_at=self.at)

    def server_settings(self, settings: dict[str, Any]) -> None:
        self._insert("server_settings", server_id=self.server_id, settings=json.dumps(settings), updated_at=self.at)

    def write(self, path: Path) -> None:
        """Write the database file with all of this."""
        made_at(path, "0008")
        with closing(sqlite3.connect(path)) as connection, connection:
            for table, rows in self._rows.items():
                for row in rows:
                    names, marks = ", ".join(row), ", ".join("?" for _ in row)
                    statement = f"INSERT INTO {table} ({names}) VALUES ({marks})"  # noqa: S608 - names of this module
                    connection.execute(statement, tuple(row.values()))

    def _book(self, job_id: int, submission_id: int, engine: str, status: str, position: int) -> None:
        price = PRICES[engine]
        entries: list[dict[str, Any]] = [{"kind": "hold", "amount": price}]
        if status == "done":
            entries.append({"kind": "capture", "amount": price, "raw_amount": price, "images": 1})
        if status not in OPEN:
            entries.append({"kind": "release", "amount": -price, "outcome": None if status == "done" else status})
        for entry in entries:
            self._insert(
                "ledger",
                submission_id=submission_id,
                user_id=self.user_id,
                server_id=self.server_id,
                engine=engine,
                counted_at=self.at,
                created_at=self.at,
                job_id=job_id,
                channel_id=self.channel_id,
                position=position,
                **entry,
            )

    def _insert(self, table: str, **values: Any) -> int:
        self._rows[table].append(values)
        return len(self._rows[table])


def request(engine: str, prompt: str) -> dict[str, Any]:
    """A request as that version stored it."""
    return {
        "engine": engine,
        "prompts": [{"text": prompt, "weight": 1.0}],
        "size": {"width": 1024, "height": 1024},
        "images": 1,
        "negative": None,
        "style": None,
        "steps": None,
        "seed": None,
        "guidance": None,
        "sampler": None,
    }
