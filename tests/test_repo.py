"""Checks of the files besides the code: paths and commands exist, settings and dependencies are documented."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from dotenv import dotenv_values

from bot.__main__ import COMMANDS
from bot.app import GRACE_SECONDS
from bot.config import load
from bot.discord_checks import PERMISSIONS
from bot.findings import spending_problem
from bot.providers.registry import configure
from bot.setting_names import KNOWN
from storage.sqlite.connection import trustworthy
from tests.doubles.provider import ScriptedProvider

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
COMPOSE = (ROOT / "compose.yaml").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
SETTINGS = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
OPERATING = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
EXAMPLE = (ROOT / ".env.example").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE))

# Joined from two halves, since this file is searched too.
FOREIGN = [
    "files.python" + "hosted.org",
    "pypi" + ".org",
    "registry." + "npmjs.org",
    "deb." + "debian.org",
    "/work" + "/main",
    "/work" + "/shared",
    "/root" + "/",
    "/opt/" + "pypi",
]


def tracked() -> list[Path]:
    """Every existing file that git tracks or would add."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],  # noqa: S607 - whichever git made the clone
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [path for line in listed.stdout.splitlines() if (path := ROOT / line).is_file()]


class Recording(Mapping[str, str]):
    """Settings that record which of them were read."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self.values_ = values
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> str:
        return self.values_[name]

    def __contains__(self, name: object) -> bool:
        self.asked.add(str(name))
        return name in self.values_

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_)

    def __len__(self) -> int:
        return len(self.values_)


@dataclass(frozen=True)
class Example:
    """A setting in .env.example, with the comment above it. A line that is commented out shows the default."""

    value: str
    text: str
    commented: bool

    @property
    def default(self) -> str:
        return self.value if self.commented else ""


def example() -> dict[str, Example]:
    found = re.findall(r"^# (.+)\n(#?)([A-Z][A-Z0-9_]*)=(.*)$", EXAMPLE, re.MULTILINE)
    assert len(found) == len(re.findall(r"^#?[A-Z][A-Z0-9_]*=", EXAMPLE, re.MULTILINE)), "one comment line per setting"
    return {name: Example(value, text, bool(mark)) for text, mark, name, value in found}


def table_under(text: str, heading: str) -> list[list[str]]:
    """The cells of the first table after a heading, without its header."""
    lines = text.partition(f"\n{heading}\n")[2].splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("| ---"))
    rows = []
    for line in lines[start + 1 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def test_the_example_explains_exactly_the_settings_that_are_read() -> None:
    own = dict.fromkeys(("A1111_URL", "COMFYUI_URL"), "http://127.0.0.1:1")
    openai = {"OPENAI_KEY": "made-up", "OPENAI_MODELS": "made-up 1"}
    keys = Recording({"AI_CLIENT_TOKEN": "made-up", "AITHRIVING_KEY": "made-up"} | {"AI_HORDE": "1"} | openai | own)
    configure(load(keys, env_file=None).reader)
    # Proxies also have lower-case names.
    assert set(example()) == {name for name in keys.asked if name.isupper()} == KNOWN


def test_the_defaults_in_the_example_are_correct(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("".join(f"{name}={one.default}\n" for name, one in example().items()))
    stated, default = load({}, file), load({}, env_file=None)
    assert [getattr(stated, name) for name in stated.__slots__[:-1]] == [
        getattr(default, name) for name in default.__slots__[:-1]
    ]
    keys = {"AI_CLIENT_TOKEN": "made-up", "AITHRIVING_KEY": "made-up"}
    written = {name: value for name, value in dotenv_values(file).items() if value}
    for ours, theirs in zip(
        configure(load(keys | written, None).reader).values(), configure(load(keys, None).reader).values(), strict=True
    ):
        assert ours.engines == theirs.engines
        assert (ours.rate, ours.jobs, ours.credit_value) == (theirs.rate, theirs.jobs, theirs.credit_value)


def test_a_copy_of_the_example_limits_what_is_spent(tmp_path: Path) -> None:
    """Copying the example and filling in a token and a key is enough to have limits."""
    file = tmp_path / ".env"
    file.write_text(EXAMPLE)
    settings = load({}, file)
    assert settings.unknown == ()
    limits = {
        "USER_DAILY_CREDITS": settings.user_daily_credits,
        "SERVER_MONTHLY_CREDITS": settings.server_monthly_credits,
        "BOT_DAILY_CREDITS": settings.bot_daily_credits,
    }
    assert all(limits.values())
    assert spending_problem(settings, {"scripted": ScriptedProvider()}) is None
    assert spending_problem(load({}, None), {"scripted": ScriptedProvider()}) is not None, "this test can fail"
    # The documents suggest the same, and convert it with the price of the default engine.
    provider = next(iter(configure(load({"AI_CLIENT_TOKEN": "made-up"}, None).reader).values()))
    price = provider.engines[0].price
    assert price is not None
    for text in (SETTINGS, README):
        for name, limit in limits.items():
            (row,) = re.findall(rf"^\| `{name}` \|(.*`.*about.*)\|$", text, re.MULTILINE)
            amount, images = re.findall(r"`(\d+)`", row)[0], re.findall(r"about (\d+) images", row)[0]
            assert int(amount) * 1000 == limit == int(images) * price.high, row


def test_the_uncommented_settings_are_those_that_matter() -> None:
    uncommented = [name for name, one in example().items() if not one.commented]
    assert uncommented == list(example())[: len(uncommented)], "they come first"
    for text, heading in (
        (README, "Open `.env` in an editor. The settings that matter are at the top:"),
        (SETTINGS, "## What matters"),
    ):
        rows = table_under(text, heading)
        assert len(rows) == 6
        assert [name for row in rows for name in re.findall(r"`([A-Z0-9_]+)`", row[0])] == uncommented


def test_the_documents_and_the_example_list_the_same_settings() -> None:
    rows = [
        [name.strip("`"), default.strip("`"), text] for name, default, text in table_under(SETTINGS, "## All settings")
    ]
    assert rows == [[name, one.default, one.text] for name, one in example().items()]


def test_the_documents_name_each_dependency_once() -> None:
    for heading, file in (
        ("The bot (`run.in`):", "run.in"),
        ("The playground, in addition (`playground.in`):", "playground.in"),
        ("Development, in addition (`dev.in`):", "dev.in"),
    ):
        lines = (ROOT / "requirements" / file).read_text().splitlines()
        wanted = [match[0].lower() for line in lines if (match := re.match(r"[A-Za-z][\w.-]*", line))]
        assert [row[0].strip("`") for row in table_under(CONTRIBUTING, heading)] == wanted


def test_all_requirements_are_pinned_with_hashes() -> None:
    for name in ("run", "playground", "dev"):
        wanted = (ROOT / "requirements" / f"{name}.in").read_text().splitlines()
        pinned = (ROOT / "requirements" / f"{name}.txt").read_text()
        for line in wanted:
            if match := re.match(r"[A-Za-z][\w.-]*", line):
                package = re.escape(match[0].lower().replace(".", "-")).replace(r"\-", "[-.]")
                assert re.search(rf"^{package}(\[[a-z,]+\])?==\S+.*\\\n +--hash=sha256:", pinned, re.MULTILINE), line
    for name in ("run", "playground"):
        larger = (ROOT / "requirements" / "dev.txt").read_text()
        for pin in re.findall(r"^\S+==\S+", (ROOT / "requirements" / f"{name}.txt").read_text(), re.MULTILINE):
            assert f"{pin} " in larger, f"{pin} differs between {name}.txt and dev.txt: make lock"


def test_the_invitation_requests_exactly_the_needed_permissions() -> None:
    assert f"permissions={PERMISSIONS.value}\n" in README
    assert {name for name, granted in PERMISSIONS if granted} == {
        "read_messages",  # the older name of View Channel
        "send_messages",
        "send_messages_in_threads",
        "attach_files",
        "read_message_history",
    }


def test_each_command_in_the_build_files_exists() -> None:
    texts = (MAKEFILE, DOCKERFILE, COMPOSE, EXAMPLE, (ROOT / ".ci" / "run").read_text())
    named = {name for text in texts for name in re.findall(r"(?:python|\$\(PY\)) -m bot ([a-z]+)", text)}
    assert named
    assert named <= COMMANDS.keys()
    made = {name for text in texts for name in re.findall(r"(?:^|`)make ([a-z]+)", text, re.MULTILINE)}
    assert made
    assert made <= TARGETS


def test_the_documents_list_every_command_of_the_command_line() -> None:
    listed = [
        row[0].strip("`").removeprefix("python -m bot ").split()[0] for row in table_under(OPERATING, "## Commands")
    ]
    assert listed == list(COMMANDS)


def test_each_path_in_the_build_files_exists() -> None:
    for source in re.findall(r"^COPY (?!--)(\S+) ", DOCKERFILE, re.MULTILINE):
        assert (ROOT / source).exists(), source
    for set_ in re.search(r"for set in (.+);", MAKEFILE)[1].split():  # type: ignore[index]  # it is there
        assert (ROOT / "requirements" / f"{set_}.in").is_file(), set_


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "docs/architecture.md"])
def test_each_path_in_a_document_for_developers_exists(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    paths = set(re.findall(r"`([\w.]+/[\w./]*|[\w.]+\.py)`", text)) - {"discord.py"}
    assert len(paths) > 20
    for path in paths:
        assert (ROOT / path).exists(), f"{name} names {path}"
    for link in re.findall(r"\[[^]]+\]\((?!https?:)([^)#]+)", text):
        assert (ROOT / name).parent.joinpath(link).is_file(), f"{name} links to {link}"


def test_each_step_in_the_architecture_table_exists() -> None:
    """The table in docs/architecture.md names files and functions or classes in them."""
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    stations = re.findall(r"^\| (\d+) \| `([\w/.]+)` \| `([\w.]+)` \|", text, re.MULTILINE)
    assert [int(number) for number, _, _ in stations] == list(range(1, len(stations) + 1))
    assert len(stations) > 50
    for _, file, name in stations:
        assert name in defined_in(ROOT / file), f"{file} has no {name}"


def defined_in(file: Path) -> set[str]:
    """The functions and classes of a module, and the methods of its classes as ``Class.method``."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    found = set()
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, kinds):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{inner.name}" for inner in node.body if isinstance(inner, kinds)}
    return found


def test_the_docker_image_contains_all_imported_modules() -> None:
    copied = set(re.findall(r"^COPY (\w+) \w+$", DOCKERFILE, re.MULTILINE))
    assert copied == {"bot", "cogs", "storage"}
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in ignored
    for source in (*copied, "requirements/run.txt"):
        assert f"!{source}" in ignored
    stages = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert len(set(stages)) == 1
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-[a-z]+@sha256:[0-9a-f]{64}", stages[0]), "not pinned by digest"
    assert DOCKERFILE.index("USER easel") < DOCKERFILE.index("ENTRYPOINT")
    entry, command, health = (
        re.search(pattern, DOCKERFILE, re.MULTILINE)[1]  # type: ignore[index]  # a missing line fails the test too
        for pattern in (r"^ENTRYPOINT (.+)$", r"^CMD (.+)$", r"^HEALTHCHECK .*CMD (.+)$")
    )
    assert shlex.split(entry.strip("[]").replace(",", "")) == ["python", "-m", "bot"]
    assert command.strip('[]"') in COMMANDS
    assert shlex.split(health.strip("[]").replace(",", "")) == ["python", "-m", "bot", "health"]


def test_the_docker_image_has_a_fixed_sqlite() -> None:
    name = r"sqlite-autoconf-(\d)(\d\d)(\d\d)00\.tar\.gz"
    source = re.search(rf"^ADD --checksum=sha256:[0-9a-f]{{64}} \S+/{name} ", DOCKERFILE, re.MULTILINE)
    assert source is not None
    assert trustworthy(tuple(int(number) for number in source.groups()))


def test_docker_waits_longer_than_the_bot_for_paid_requests() -> None:
    period = re.search(r"^    stop_grace_period: (\d+)s$", COMPOSE, re.MULTILINE)
    assert period is not None
    assert int(period[1]) >= GRACE_SECONDS + 10
    assert f"`stop_grace_period: {period[1]}s`" in OPERATING
    assert f"at most {GRACE_SECONDS:.0f} seconds" in OPERATING


def test_no_file_names_this_machine_or_a_registry() -> None:
    for path in tracked():
        if path.suffix not in {".png", ".jpg", ".webp"}:
            text = path.read_text(encoding="utf-8")
            assert not [word for word in FOREIGN if word in text], path


def test_the_types_of_every_folder_are_checked() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        tools = tomllib.load(file)["tool"]
    folders = {path.parts[len(ROOT.parts)] for path in tracked() if path.suffix == ".py"}
    assert set(tools["mypy"]["files"]) == folders
