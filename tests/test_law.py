"""Rules of the architecture, checked in the source of every file: imports between folders, and texts."""

from __future__ import annotations

import ast
import importlib
import re
import string
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from bot.text import Message
from bot.ui.client import Easel

ROOT = Path(__file__).parent.parent
ROOMS = ("bot", "cogs", "storage", "fakes", "playground", "benchmarks", "chaos", "live")
FILES = sorted(path.relative_to(ROOT) for room in ROOMS for path in (ROOT / room).rglob("*.py"))
OURS = {*ROOMS, "tests"}
ORDER = ({"providers"}, {"domain"}, {"pictures"}, {"jobs"}, {"people", "servers"}, {"ui"})
"""The folders of bot. Each may import the ones before it."""
FOR_ALL = {"bot.clock", "bot.errors", "bot.logs", "bot.text"}
"""Modules that every folder of bot except the providers may import as well."""
COMPOSES = "bot.app"
"""The only module that may import all parts, including the cogs."""
MAY_IMPORT = {"cogs": {"cogs", "bot", "storage"}, "bot": {"bot", "storage"}, "storage": {"storage"}, "fakes": {"fakes"}}


def name_of(file: Path) -> str:
    return ".".join(file.with_suffix("").parts).removesuffix(".__init__")


@cache
def imports(file: Path) -> frozenset[tuple[str, bool]]:
    """Each module that the file imports, and whether on import of the file or only inside a function."""
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    late = {id(inner) for function in functions for inner in ast.walk(function)}

    def found() -> Iterator[tuple[str, bool]]:
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                yield from ((alias.name, id(node) not in late) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{file}: use absolute imports"
                yield from ((f"{node.module}.{alias.name}", id(node) not in late) for alias in node.names)

    return frozenset(found())


def within(module: str, *rooms: str) -> bool:
    return any(module == room or module.startswith(f"{room}.") for room in rooms)


@pytest.mark.parametrize("file", FILES, ids=str)
def test_each_file_imports_only_what_its_folder_may(file: Path) -> None:
    room, name = file.parts[0], name_of(file)
    for module, at_once in imports(file):
        top = module.partition(".")[0]
        if top in OURS and top not in MAY_IMPORT.get(room, OURS):
            if name == COMPOSES and top == "cogs":
                continue
            lazily = name == "bot.__main__" and top in {"playground", "fakes", "benchmarks"} and not at_once
            assert lazily, f"{file} imports {module}"
        if within(name, "bot.providers") and top in OURS:
            assert within(module, "bot.providers"), f"{file} imports {module}: providers are independent"
        if top in {"sqlalchemy", "alembic", "aiosqlite", "sqlite3"}:
            assert room == "storage", f"{file} imports {module}: SQL belongs in storage"
        if within(name, "storage.migrations.versions"):
            assert not within(module, "storage.tables"), f"{file}: a migration does not depend on today's tables"
        if module in {"os.environ", "os.getenv", "os.putenv"} or top == "dotenv":
            assert name == "bot.config", f"{file} imports {module}: only bot.config reads the environment"
    if name != "bot.config":
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        named = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        assert not named & {"environ", "environb", "getenv"}, f"{file}: only bot.config reads the environment"


def ours(file: Path) -> set[str]:
    """The project's modules that a file imports, including imports for types; for a package, the imported modules."""
    modules = {name_of(each) for each in FILES}
    found = set()
    for module, _ in imports(file):
        found.add(module if module in modules else module.rpartition(".")[0])
    return (found & modules) - {name_of(file)}


def test_there_are_no_circular_imports() -> None:
    left = {name_of(file): ours(file) for file in FILES}
    # A module that imports none of the rest, or that none of the rest imports, is in no circle.
    while True:
        imported = {module for modules in left.values() for module in modules}
        free = {name for name, modules in left.items() if not modules or name not in imported}
        if not free:
            break
        left = {name: modules - free for name, modules in left.items() if name not in free}
    assert not left, "these modules import each other"


def test_the_folders_of_bot_import_only_earlier_ones() -> None:
    found = set()
    ranks = {folder: rank for rank, folders in enumerate(ORDER) for folder in folders}
    for file in FILES:
        name = name_of(file)
        if file.parts[0] != "bot" or file.parts[1] not in ranks:
            continue
        for module in ours(file):
            parts = module.split(".")
            if parts[0] != "bot" or (module in FOR_ALL and file.parts[1] != "providers"):
                continue
            allowed = parts[1] == file.parts[1] or ranks.get(parts[1], len(ORDER)) < ranks[file.parts[1]]
            if not allowed:
                found.add((name, module))
    assert not found


def test_parts_are_not_reached_through_the_client() -> None:
    """Parts are passed what they need. Only attributes of the library and of the class itself are used on a client."""
    for file in FILES:
        if file.parts[0] not in {"bot", "cogs"} or name_of(file) == COMPOSES:
            continue
        for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Attribute):
                continue
            of = node.value
            named = of.id if isinstance(of, ast.Name) else of.attr if isinstance(of, ast.Attribute) else ""
            if named in {"client", "_client"} and within(name_of(file), "bot.ui", "cogs"):
                assert hasattr(Easel, node.attr) or node.attr == "http", f"{file}:{node.lineno}: client.{node.attr}"


def test_lower_folders_import_neither_discord_nor_aiohttp() -> None:
    modules = {name_of(file): file for file in FILES}
    work = ("domain", "pictures", "jobs", "people", "servers")
    waiting = {name for name in modules if within(name, *(f"bot.{part}" for part in work))}
    assert waiting
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        seen.add(name)
        for module, _ in imports(modules[name]):
            assert not within(module, "discord", "aiohttp"), f"{name} imports {module}, below bot.ui"
            # Importing a.b.c runs a and a.b too. A name that is imported from a module may be a module itself.
            parts = module.split(".")
            waiting |= {".".join(parts[:end]) for end in range(1, len(parts) + 1)} & modules.keys() - seen


def test_every_button_of_a_card_is_in_the_table() -> None:
    """Cards use the buttons of these tables, which define the name, label and style of each."""
    tables = {f"bot.ui.cards.{name}" for name in ("buttons", "picture_buttons", "part_buttons")}
    for file in FILES:
        if within(name_of(file), "bot.ui.cards", "bot.ui.delivery", "cogs") and name_of(file) not in tables:
            for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8"))):
                if not isinstance(node, ast.Call):
                    continue
                made = node.func.value if isinstance(node.func, ast.Subscript) else node.func
                assert getattr(made, "attr", None) != "Button", f"{file}:{node.lineno}"


def test_the_default_executor_is_not_used() -> None:
    """It resolves host names. If it decoded images too, all services would be unreachable meanwhile."""
    for file in FILES:
        if file.parts[0] not in {"bot", "cogs", "storage"}:
            continue
        for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8"))):
            called = getattr(node, "func", None)
            if not isinstance(node, ast.Call) or not isinstance(called, ast.Attribute):
                continue
            assert called.attr != "to_thread", f"{file}:{node.lineno}"
            if called.attr == "run_in_executor":
                into = node.args[0]
                assert not (isinstance(into, ast.Constant) and into.value is None), f"{file}:{node.lineno}"


def test_folders_have_clear_names_and_files_are_not_too_long() -> None:
    tests = (path.relative_to(ROOT) for path in (ROOT / "tests").rglob("*.py"))
    for file in (*FILES, *tests):
        assert not {part.removesuffix(".py") for part in file.parts} & {"utils", "util", "helpers", "common", "misc"}, (
            file
        )
        assert len((ROOT / file).read_text(encoding="utf-8").splitlines()) <= 450, f"{file} is too long: split it"


# --- text for people ----------------------------------------------------------------------------------------------

TEXTS = {"message", "t", "plural", "locale_str"}
FAULTS = {"AssertionError", "ChartFailed", "KeyError", "LookupError", "NotImplementedError", "OSError", "RuntimeError"}
FAULTS |= {"TypeError", "Undecodable", "Undelivered", "ValueError"}
LOGS = {"log", "logger", "_log"}
NOT_TEXT = {"re", "discord"}
# Words that people type: flags, commands and their names, periods, pixels.
SAID_TO_US = re.compile(
    r"(--\w+ \S+ ?)+|(edit|settings|privacy|thread|usage|quota|server) [a-z]+|`?/\w+ \w+:.*|(this|last) \w+|all time|"
    r"((left|right|up|down) \d+ ?)+"
)
NO_WORDS = {"bot/ui/chart_process.py", "bot/ui/delivery/image_metadata.py"}
"""Files whose strings are parts of a file format or of a drawing."""
SENTENCE = re.compile(r"[A-Za-z]{2,}[ ,]+(?:\S+ )*[A-Za-z]{2,}")
TEXT_FOLDERS = ("domain", "pictures", "jobs", "people", "servers", "ui")


def sentences(file: Path) -> list[str]:
    """Each string of two or more words that is no text, docstring, log line, internal error or pattern."""
    if str(file) in NO_WORDS:
        return []
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    fine: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            fine.add(id(node.value))  # A docstring.
        elif isinstance(node, ast.Call) and _takes_no_text(node.func):
            fine |= {id(inner) for inner in ast.walk(node)}
        elif isinstance(node, ast.keyword) and node.arg in {"png_name", "prompt"}:
            fine.add(id(node.value))  # Part of a file format; an example for engines, which understand English best.
        elif isinstance(node, ast.AnnAssign | ast.arg):
            fine |= {id(inner) for inner in ast.walk(node.annotation)} if node.annotation is not None else set()
        elif isinstance(node, ast.Subscript):
            fine |= {id(inner) for inner in ast.walk(node.slice)}  # A type, or a key.
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            words = "".join(part.value if isinstance(part, ast.Constant) else "x" for part in node.values)  # type: ignore[misc]  # a string
            fine |= {id(part) for part in node.values}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            words = node.value
        else:
            continue
        if (
            id(node) not in fine
            and not SAID_TO_US.fullmatch(words)
            and re.search(r"[A-Za-z]{2,}[ ,]+(?:\S+ )*[A-Za-z]{2,}", words)
        ):
            found.append(f"{file}:{node.lineno}: {words}")
    return found


def _takes_no_text(function: ast.expr) -> bool:
    if isinstance(function, ast.Name):
        return function.id in TEXTS | FAULTS
    if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
        return function.value.id in LOGS | NOT_TEXT and function.attr != "SelectOption"
    return False


@pytest.mark.parametrize(
    "file",
    [file for file in FILES if within(name_of(file), "cogs", *(f"bot.{part}" for part in TEXT_FOLDERS))],
    ids=str,
)
def test_every_sentence_is_in_the_catalogue(file: Path) -> None:
    assert not sentences(file)


def messages_of(file: Path) -> dict[str, Message]:
    """The messages that the file defines or imports, by their names in the file."""
    return {
        name: found for name, found in vars(importlib.import_module(name_of(file))).items() if type(found) is Message
    }


def test_every_message_is_used() -> None:
    used: set[str] = set()
    named: dict[str, Path] = {}
    for file in (file for file in FILES if file.parts[0] in {"bot", "cogs", "storage"}):
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        used |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
        used |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        for node in tree.body:
            match node:
                case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(func=ast.Name(id="message"))):
                    named[name] = file
    assert len(named) > 100
    assert {name: str(file) for name, file in named.items() if name not in used} == {}


@pytest.mark.parametrize("file", [file for file in FILES if file.parts[0] in {"bot", "cogs"}], ids=str)
def test_messages_are_called_with_the_values_they_name(file: Path) -> None:
    known = messages_of(file) if file.name not in {"__main__.py", "chart_process.py"} else {}
    for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or node.func.id not in known:
            continue
        called = known[node.func.id]
        forms = [called.english] if called.plural is None else [called.english, called.plural]
        fields = {field for form in forms for _, field, _, _ in string.Formatter().parse(form) if field is not None}
        given = {keyword.arg for keyword in node.keywords}
        if None in given:
            continue  # Values that are passed as a mapping.
        assert fields - given == set(), f"line {node.lineno}: {called.code}"
        assert given - fields - ({"count"} if called.plural is not None else set()) == set(), f"line {node.lineno}"
