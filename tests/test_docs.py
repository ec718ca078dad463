"""The documents: each command in them exists with its arguments, each link leads to something, nothing is too long.

A command stands in a fenced block without a language, or as inline code. Blocks in other languages are no commands.
Commands that need another program, such as Docker, are not run here; what they pass on to Easel is checked.
"""

from __future__ import annotations

import configparser
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

import bot.run  # noqa: F401 - its messages are quoted
from bot.__main__ import COMMANDS, _parser
from bot.app import GRACE_SECONDS
from bot.config import load
from bot.setting_names import KNOWN
from storage.errors import SENTENCES
from tests.doubles.texts import every_message

ROOT = Path(__file__).parent.parent
FILES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
NAMES = [str(file.relative_to(ROOT)) for file in FILES]
TEXTS = {name: file.read_text(encoding="utf-8") for name, file in zip(NAMES, FILES, strict=True)}

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
PROGRAMS = {"make", "python", ".venv/bin/python", "cp", "git", "docker", "sudo", "systemctl", "journalctl"}
NOT_RUN = {
    "docker": "needs a Docker engine",
    "sudo": "changes the machine",
    "journalctl": "needs systemd",
    "git": "needs a remote repository",
}
"""The programs that are not run by the tests, and why. Their arguments for Easel are checked."""
PLACEHOLDERS = {"FILE", "COMMAND", "NAME"}


@dataclass(frozen=True)
class Command:
    """A command in a document."""

    name: str
    line: str

    @property
    def words(self) -> list[str]:
        return shlex.split(self.line, comments=True)

    def __str__(self) -> str:
        return f"{self.name}: {self.line}"


def commands() -> Iterator[Command]:
    for name, text in TEXTS.items():
        for language, block in FENCE.findall(text):
            if language == "text":
                # A crontab, for example, runs Easel as well.
                yield from (Command(name, line) for line in re.findall(r"\S*python -m bot.*", block))
            if not language:
                yield from (Command(name, line) for line in block.splitlines() if line.strip())
        for code in INLINE.findall(FENCE.sub("", text)):
            if code.split()[0] in PROGRAMS and len(code.split()) > 1:
                yield Command(name, code)


ALL = list(dict.fromkeys(commands()))


def easel_words(words: list[str]) -> list[str] | None:
    """What this command passes to ``python -m bot``, or None if it does not run it."""
    for start in range(len(words) - 2):
        if words[start].endswith("python") and words[start + 1 : start + 3] == ["-m", "bot"]:
            return words[start + 3 :]
    if words[:2] == ["docker", "compose"] and words[2] == "run":
        return words[words.index("easel") + 1 :]
    return None


@pytest.mark.parametrize("command", ALL, ids=str)
def test_each_command_is_of_a_known_program(command: Command) -> None:
    program = command.words[0]
    assert program in PROGRAMS, "write ```text above a block that is no command"
    assert program in NOT_RUN or program in {"make", "python", ".venv/bin/python", "cp"}


@pytest.mark.parametrize("command", [one for one in ALL if easel_words(one.words)], ids=str)
def test_easel_takes_these_arguments(command: Command) -> None:
    words = easel_words(command.words)
    assert words is not None
    if words[0] not in PLACEHOLDERS:
        assert _parser().parse_args(words).command in COMMANDS


@pytest.mark.parametrize("command", [one for one in ALL if "make" in one.words], ids=str)
def test_make_has_these_targets(command: Command) -> None:
    words = command.words[command.words.index("make") :]
    if "-C" in words:
        assert words[words.index("-C") + 1] == unit()["Service"]["WorkingDirectory"]
        words[words.index("-C") : words.index("-C") + 2] = []
    planned = subprocess.run(  # noqa: S603 - a dry run of our own Makefile
        ["make", "--dry-run", *words[1:]],  # noqa: S607 - whichever make is installed
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert planned.returncode == 0, planned.stderr
    # What a variable adds to the command line of a program is checked as if it were written there.
    for line in planned.stdout.splitlines():
        # Before the first run, make also plans to install the packages.
        if " -m " in line and " -m pip " not in line and any("=" in word for word in words):
            check_program(shlex.split(line.partition(" -m ")[2]))


@pytest.mark.slow
@pytest.mark.parametrize(
    "command", [one for one in ALL if one.words[0].endswith("python") and not easel_words(one.words)], ids=str
)
def test_other_programs_take_these_arguments(command: Command) -> None:
    words = command.words
    assert words[1] == "-m"
    check_program(words[2:])


def check_program(words: list[str]) -> None:
    """Check that the module exists, and that its help names each flag."""
    module, *arguments = words
    spec = find_spec(f"{module}.__main__") if find_spec(module).submodule_search_locations else find_spec(module)  # type: ignore[union-attr]  # a missing module fails the test too
    assert spec is not None
    assert spec.origin is not None
    flags = {word.partition("=")[0] for word in arguments if word.startswith("--")} - {"--help"}
    if "argparse" not in Path(spec.origin).read_text(encoding="utf-8"):
        assert not flags, f"{module} takes no arguments"
        return
    assert flags <= flags_of(module)


@cache
def flags_of(module: str) -> set[str]:
    """The flags that the help of this program names."""
    shown = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", module, "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(re.findall(r"--[a-z-]+", shown.stdout))


def test_the_first_step_makes_settings_that_can_be_read(tmp_path: Path) -> None:
    (command,) = {one.line for one in ALL if one.words[0] == "cp"}
    (tmp_path / ".env.example").write_bytes((ROOT / ".env.example").read_bytes())
    subprocess.run(shlex.split(command), cwd=tmp_path, check=True)  # noqa: S603 - the command of the README
    assert load({}, tmp_path / ".env").unknown == ()


def test_docker_commands_name_the_service_of_the_compose_file() -> None:
    compose = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    services = set(
        re.findall(r"^  (\w+):$", compose.partition("services:\n")[2].partition("\nvolumes:")[0], re.MULTILINE)
    )
    docker = [one for one in ALL if one.words[:2] == ["docker", "compose"]]
    assert len(docker) > 8
    for command in docker:
        action, *rest = command.words[2:]
        assert action in {"up", "logs", "run", "exec", "cp", "stop", "ps"}, command
        if action in {"logs", "run", "exec", "cp"}:
            named = {word.partition(":")[0] for word in rest if not word.startswith("-")}
            assert named & services, command


def test_make_does_not_add_noise_to_what_doctor_prints(tmp_path: Path) -> None:
    """Its status 1 means that something is left to do. Make would report that as an error."""
    done = subprocess.run(  # noqa: S603 - our own Makefile, without setting up an environment
        ["make", "doctor", f"PY={sys.executable}", "VENV=none", "--old-file=none/.playground"],  # noqa: S607 - see above
        cwd=ROOT,
        # Blank: a developer's own .env must not make this ask a service.
        env={
            "PATH": os.environ["PATH"],
            "DATA_DIR": str(tmp_path),
            **dict.fromkeys(("DISCORD_TOKEN", "AI_CLIENT_TOKEN", "AITHRIVING_KEY"), ""),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done
    assert "TO DO  " in done.stdout
    assert done.stderr == ""


def unit() -> configparser.ConfigParser:
    """The systemd unit in the documents."""
    (text,) = (block for language, block in FENCE.findall(TEXTS["docs/operating.md"]) if language == "ini")
    parser = configparser.ConfigParser(interpolation=None, delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # the documented way to keep letter case
    parser.read_string(text)
    return parser


def test_the_systemd_unit_starts_the_bot_and_gives_it_time_to_stop() -> None:
    service = unit()["Service"]
    folder = service["WorkingDirectory"]
    assert shlex.split(service["ExecStart"]) == [f"{folder}/.venv/bin/python", "-m", "bot", "run"]
    assert int(service["TimeoutStopSec"]) >= GRACE_SECONDS + 10
    assert service["RestartPreventExitStatus"] == "2", "the status of invalid settings"
    assert f"`TimeoutStopSec={service['TimeoutStopSec']}`" in TEXTS["docs/operating.md"]


@pytest.mark.parametrize("name", NAMES)
def test_each_link_leads_to_a_file_and_a_heading(name: str) -> None:
    text = FENCE.sub("", TEXTS[name])
    for link in re.findall(r"\]\((?!https?:)([^)]+)\)", text):
        path, _, heading = link.partition("#")
        target = (ROOT / name).parent / path if path else ROOT / name
        assert target.is_file(), link
        if heading:
            headings = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            assert heading in {anchor(one) for one in headings}, link


def anchor(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("name", NAMES)
def test_each_path_in_a_document_exists(name: str) -> None:
    folders = "bot|cogs|storage|fakes|playground|chaos|benchmarks|tests|requirements|docs|\\.ci"
    for path in re.findall(rf"`((?:{folders})/[\w./*<>-]*)`", TEXTS[name]):
        # What is in angle brackets stands for a name.
        assert list(ROOT.glob(path.partition("<")[0].rstrip("/"))), path


def test_every_document_can_be_reached_from_the_readme() -> None:
    reached, waiting = set(), {"README.md"}
    while waiting:
        name = waiting.pop()
        reached.add(name)
        for link in re.findall(r"\]\((?!https?:)([^)#]+\.md)", TEXTS[name]):
            found = str(((ROOT / name).parent / link).resolve().relative_to(ROOT))
            if found not in reached:
                waiting.add(found)
    assert reached == set(NAMES)


def test_every_picture_is_shown_and_every_shown_one_exists() -> None:
    shown = {
        ((ROOT / name).parent / picture).resolve()
        for name, text in TEXTS.items()
        for picture in re.findall(r"""(?:!\[[^]]*\]\(|<img src=")(?!https?:)([^)"]+)""", text)
    }
    assert shown == {path for path in (ROOT / "docs").rglob("*") if path.suffix in {".png", ".svg"}}
    assert sum(path.stat().st_size for path in shown) < 6_000_000


def test_the_readme_is_short() -> None:
    lines = TEXTS["README.md"].splitlines()
    assert len(lines) <= 200
    first_screen = "\n".join(lines[:20])
    assert "docs/from-a-picture.png" in first_screen
    assert "make run" in first_screen


def test_the_messages_that_troubleshooting_quotes_exist() -> None:
    texts = [message.english for message in every_message()] + list(SENTENCES.values())
    quoted = set(re.findall(r"“([^”]+)”", TEXTS["docs/troubleshooting.md"]))
    of_discord = {"The application did not respond"}
    assert of_discord < quoted
    for quote in quoted - of_discord:
        assert any(quote in text for text in texts), f"no message says “{quote}”"


def test_settings_in_the_documents_exist() -> None:
    """Names in capitals that begin like a setting are settings."""
    prefixes = {name.partition("_")[0] for name in KNOWN}
    others = {"SQLITE_TMPDIR", "USER_ID", "YOUR_ID"}
    for name, text in TEXTS.items():
        for word in re.findall(r"`([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)(?:=[^`]*)?`", text):
            if word.partition("_")[0] in prefixes and word not in others:
                assert word in KNOWN, f"{name} names {word}"
