"""The law of the house: cogs → bot → storage, and nothing runs back. Read from the imports, held for every file."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("bot", "cogs", "storage", "fakes", "playground", "benchmarks", "chaos")
FILES = sorted(path.relative_to(ROOT) for room in ROOMS for path in (ROOT / room).rglob("*.py"))
OURS = {*ROOMS, "tests"}
MAY_IMPORT = {"cogs": {"cogs", "bot", "storage"}, "bot": {"bot", "storage"}, "storage": {"storage"}, "fakes": {"fakes"}}


def name_of(file: Path) -> str:
    return ".".join(file.with_suffix("").parts).removesuffix(".__init__")


@cache
def imports(file: Path) -> frozenset[tuple[str, bool]]:
    """Each module that the file imports, and whether it does so at once or only inside a function."""
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    late = {id(inner) for function in functions for inner in ast.walk(function)}

    def found() -> Iterator[tuple[str, bool]]:
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                yield from ((alias.name, id(node) not in late) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{file}: imports of ours name the whole path"
                yield from ((f"{node.module}.{alias.name}", id(node) not in late) for alias in node.names)

    return frozenset(found())


def within(module: str, *rooms: str) -> bool:
    return any(module == room or module.startswith(f"{room}.") for room in rooms)


@pytest.mark.parametrize("file", FILES, ids=str)
def test_each_file_keeps_the_law(file: Path) -> None:
    room, name = file.parts[0], name_of(file)
    for module, at_once in imports(file):
        top = module.partition(".")[0]
        if top in OURS and top not in MAY_IMPORT.get(room, OURS):
            lazily = name == "bot.__main__" and top in {"playground", "fakes", "benchmarks"} and not at_once
            assert lazily, f"{file} imports {module}"
        if within(name, "bot.providers") and top in OURS:
            assert within(module, "bot.providers"), f"{file} imports {module}: a provider knows nothing of ours"
        if top in {"sqlalchemy", "alembic", "aiosqlite", "sqlite3"}:
            assert room == "storage", f"{file} imports {module}: SQL lives in storage"
        if module in {"os.environ", "os.getenv", "os.putenv"} or top == "dotenv":
            assert name == "bot.config", f"{file} imports {module}: only bot.config reads the environment"
    if name != "bot.config":
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        named = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        assert not named & {"environ", "environb", "getenv"}, f"{file}: only bot.config reads the environment"


def test_the_work_knows_neither_discord_nor_http() -> None:
    modules = {name_of(file): file for file in FILES}
    work = ("domain", "jobs", "people", "servers")
    waiting = {name for name in modules if within(name, *(f"bot.{part}" for part in work))}
    assert waiting
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        seen.add(name)
        for module, _ in imports(modules[name]):
            assert not within(module, "discord", "aiohttp"), f"{name} imports {module} and is needed by the work"
            # Importing a.b.c runs a and a.b too; what is imported out of a module may be a module itself.
            parts = module.split(".")
            waiting |= {".".join(parts[:end]) for end in range(1, len(parts) + 1)} & modules.keys() - seen


def test_nothing_of_ours_runs_in_the_default_executor() -> None:
    """Names are looked up there: a picture that is decoded there would make every service unreachable meanwhile."""
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


def test_rooms_have_telling_names_and_files_a_bearable_size() -> None:
    for file in FILES:
        assert not {part.removesuffix(".py") for part in file.parts} & {"utils", "util", "helpers", "common", "misc"}, (
            file
        )
        assert len((ROOT / file).read_text(encoding="utf-8").splitlines()) <= 450, f"{file} is asking to be two"
