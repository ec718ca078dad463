"""Text for people: messages, their values, how they are stored, and other languages."""

from __future__ import annotations

import ast
import inspect
import json
import re
import shutil
import string
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import UserError
from bot.text import GONE, VERBATIM, Message, Text, message, plural, read_stored, reading_in, stored, t
from tests.doubles.texts import MadeUpLanguage, codes, every_message, shows

ROOT = Path(__file__).parent.parent
FOUND = Message("test.found", "{count} job of {who}", "{count} jobs of {who}")
OR = Message("test.or", "Take {engines:or}.")
COST = Message("test.cost", "This costs {price:credits} and took {time:duration}.")


def values_of(wanted: Message) -> dict[str, str | int | tuple[str, ...]]:
    """An example for each value of the message, of the type that its format requires."""
    kinds: dict[str, str | int | tuple[str, ...]] = {
        "or": ("one", "two"),
        "credits": 1500,
        "amount": 1500,
        "duration": 65,
        "relative": 1_790_000_000_000,
        "plain": 2026,
    }
    forms = (wanted.english, wanted.plural or "")
    named = {name: form or "" for each in forms for _, name, form, _ in string.Formatter().parse(each) if name}
    return {name: 2 if name == "count" else kinds.get(form, "word") for name, form in named.items()}


def test_values_are_inserted_where_the_message_names_them() -> None:
    assert str(FOUND(count=1, who="Ada")) == "1 job of Ada"
    assert str(FOUND(count=2000, who="Ada")) == "2,000 jobs of Ada"
    assert str(OR(engines=["a", "b", "c"])) == "Take a, b or c."
    assert str(t("{some}!", some=["a", "b", "c"])) == "a, b and c!"
    assert str(COST(price=1500, time=65)) == "This costs 1.5 credits and took 1\xa0min 5\xa0s."
    assert str(plural("{count} image", "{count} images", 1)) == "1 image"
    assert str(t("In {year:plain}", year=2026)) == "In 2026"


def test_a_value_may_be_a_text_and_may_contain_braces() -> None:
    assert str(t("{inner}: {words}", inner=FOUND(count=1, who="Ada"), words="{count}")) == "1 job of Ada: {count}"


@pytest.mark.parametrize("english", [VERBATIM.english, "Something else."])
def test_a_code_belongs_to_one_message(english: str) -> None:
    with pytest.raises(ValueError, match=VERBATIM.code):
        message(VERBATIM.code, english)


def test_every_message_of_a_submission_is_defined_in_the_running_bot() -> None:
    kept = {each.code for each in every_message() if each.code.startswith(("submission.", "provider."))}
    program = "import bot.app, bot.run; from bot.text import CATALOGUE; print(*CATALOGUE)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True)  # noqa: S603 - our own program
    assert kept <= set(done.stdout.split())


@given(st.text(), st.integers(), st.lists(st.text(), min_size=1))
def test_a_stored_text_reads_the_same(words: str, number: int, some: list[str]) -> None:
    text = VERBATIM(words=VERBATIM(words=words), number=number, some=some)
    again = read_stored(json.loads(json.dumps(stored(text))))
    assert again == text
    assert str(again) == str(text)


def test_a_removed_message_is_replaced_when_read() -> None:
    assert read_stored({"code": "no.such.message", "values": {"who": "Ada"}}) == GONE()


def test_a_message_without_a_code_cannot_be_stored() -> None:
    with pytest.raises(ValueError, match="code"):
        stored(t("Cancel"))


def test_an_error_contains_codes_and_values() -> None:
    error = UserError(VERBATIM(words="first"), GONE)
    assert codes(error) == [VERBATIM.code, GONE.code]
    assert error.problems[0].values == {"words": "first"}


def test_texts_are_rendered_in_the_readers_language() -> None:
    text = FOUND(count=3, who="Ada")
    with reading_in(MadeUpLanguage()):
        assert str(text).startswith("3 jöbš öf Ada")
    assert str(text) == "3 jobs of Ada"
    assert shows(str(text), FOUND)
    assert shows(str(text), text)
    assert not shows(str(text), FOUND(count=4, who="Ada"))


def test_every_message_can_be_translated() -> None:
    for wanted in every_message():
        values = values_of(wanted)
        words = str(Text(wanted, values))
        with reading_in(MadeUpLanguage()):
            assert len(str(Text(wanted, values))) >= len(words), wanted.code


def fields(*forms: str | None) -> set[str]:
    return {name for form in forms for _, name, _, _ in string.Formatter().parse(form or "") if name}


def said_in(module: ModuleType) -> Iterator[tuple[ast.Call, set[str]]]:
    """Each call in this module that passes values to a message, with the names of the message's values."""
    for call in ast.walk(ast.parse(inspect.getsource(module))):
        if not isinstance(call, ast.Call) or any(keyword.arg is None for keyword in call.keywords):
            continue
        said = None
        if isinstance(call.func, ast.Name):
            said = getattr(module, call.func.id, None)
        elif isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name):
            said = getattr(getattr(module, call.func.value.id, None), call.func.attr, None)
        if isinstance(said, Message):
            yield call, fields(said.english, said.plural) | ({"count"} if said.plural else set())
        elif said in (t, plural) and call.keywords:  # Tables pass the values later.
            yield call, fields(*(str(each.value) for each in call.args if isinstance(each, ast.Constant)))


def test_every_message_is_called_with_its_values() -> None:
    every_message()
    seen = 0
    for name, module in sorted(sys.modules.items()):
        if not name.startswith(("bot.", "cogs.")) or name == "bot.text":
            continue
        for call, wanted in said_in(module):
            given = {keyword.arg for keyword in call.keywords} | ({"count"} & wanted if len(call.args) > 2 else set())
            assert given == wanted, f"{name}:{call.lineno}"
            seen += 1
    assert seen > 300


def test_the_catalogue_template_is_up_to_date(tmp_path: Path) -> None:
    if shutil.which("make") is None:
        pytest.skip("needs make")
    made = tmp_path / "easel.pot"
    command = ["make", "--silent", "messages", f"MESSAGES={made}", f"PY={sys.executable}"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=60)  # noqa: S603 - our own command
    assert made.read_text(encoding="utf-8") == (ROOT / "bot/locale/easel.pot").read_text(encoding="utf-8"), (
        "run `make messages`"
    )


def test_the_catalogue_template_has_every_message() -> None:
    template = (ROOT / "bot/locale/easel.pot").read_text(encoding="utf-8")
    listed = set(re.findall(r'^msgctxt "(.+)"$', template, re.MULTILINE))
    assert {each.code for each in every_message() if each.code.partition(".")[0] != "test"} <= listed
