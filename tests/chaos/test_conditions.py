"""The conditions take effect in the bot's process at once, and end with it."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import pytest
from discord import utils

from chaos.bot import subject_to
from chaos.conditions import Conditions
from chaos.machine_faults import DAY
from storage.files import put_in_place


def test_both_sides_of_the_file_see_a_change_at_once(tmp_path: Path) -> None:
    with Conditions(tmp_path / "conditions") as driver, Conditions(driver.path) as bot:
        assert (bot.clock, bot.slow_names, bot.disk_full) == (0, 0, False)
        driver.clock, driver.slow_names, driver.disk_full = -DAY, 1500, True
        assert (bot.clock, bot.slow_names, bot.disk_full) == (-DAY, 1500, True)


def test_the_wall_clock_is_set_and_the_monotonic_clock_is_not(tmp_path: Path) -> None:
    with Conditions(tmp_path / "conditions") as conditions, subject_to(conditions):
        true, monotonic = time.time(), time.monotonic()
        conditions.clock = 16 * DAY
        for seconds in (time.time(), time.time_ns() / 1e9, utils.utcnow().timestamp()):
            assert 16 * DAY / 1000 <= seconds - true < 16 * DAY / 1000 + 60
        assert time.monotonic() - monotonic < 60
    assert abs(time.time() - true) < 60


def test_a_full_disk_rejects_image_files(tmp_path: Path) -> None:
    aside, path = tmp_path / "aside", tmp_path / "picture"
    aside.write_bytes(b"a picture")
    with Conditions(tmp_path / "conditions") as conditions, subject_to(conditions):
        conditions.disk_full = True
        with pytest.raises(OSError, match=os.strerror(28)):
            put_in_place(aside, path)
        conditions.disk_full = False
        put_in_place(aside, path)
    assert path.read_bytes() == b"a picture"


def test_dns_lookups_are_slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    with Conditions(tmp_path / "conditions") as conditions, subject_to(conditions):
        conditions.slow_names = 2500
        assert socket.getaddrinfo("127.0.0.1", 80)
    assert slept == [2.5]
