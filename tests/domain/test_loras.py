"""LoRAs: reading a list, completing it, checking it against an engine; and the other options of a model's server."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from bot.domain.alternatives import alternatives
from bot.domain.command_line import command_line
from bot.domain.engines import NAME_MISSPELT, NOT_TAKEN, OUT_OF_RANGE, UNKNOWN_NAME, ImageSpec, fitted, similar_name
from bot.domain.form_data import draft_of
from bot.domain.loras import completions, parse_loras
from bot.domain.options import LORA, UNREADABLE, ImagineOptions
from bot.domain.requests import decode_request, encode_request, plan, read_command
from bot.domain.rules import texts_of
from bot.errors import UserError
from bot.providers.base import ImageRequest, WeightedText
from bot.providers.loras import Lora, Loras, names_to_type
from bot.providers.operations import Size
from tests.doubles.engines import ENGINES, PAINTER, XL
from tests.doubles.texts import codes

HERE = {**ENGINES, PAINTER.id: PAINTER}
INK = Loras((Lora("ink"),))


def asked(prompt: str = "a cat", **typed: Any) -> ImageRequest:
    (request,) = plan(read_command(ImagineOptions(prompt, **typed)), HERE, PAINTER.id).requests
    return request


def refusal(prompt: str = "a cat", **typed: Any) -> UserError:
    with pytest.raises(UserError) as caught:
        asked(prompt, **typed)
    return caught.value


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("ink", (("ink", 1),)),
        ("ink:0.8", (("ink", 0.8),)),
        (" ink : -2 , Add  Detail:.5,", (("ink", -2), ("Add Detail", 0.5))),
        ("a，b：0.25、c:−1, d:2", (("a", 1), ("b", 0.25), ("c", -1), ("d", 2))),
        ("ink:0.333", (("ink", 0.33),)),
    ],
)
def test_a_list_of_loras(text: str, read: tuple[tuple[str, float], ...]) -> None:
    found = parse_loras(text)
    assert found == Loras(tuple(Lora(*each) for each in read))
    assert parse_loras(str(found)) == found


@pytest.mark.parametrize(
    "text",
    ["", " ", ",", "ink:", ":1", "ink:x", "ink:2.1", "ink:-3", "a,b,c,d,e", "ink, INK:0.5", "<lora:a:1>", "a:b:1"],
)
def test_what_is_no_list_of_loras(text: str) -> None:
    with pytest.raises(ValueError):
        parse_loras(text)


def test_names_that_cannot_be_typed_are_left_out() -> None:
    assert names_to_type(["ink", "a,b", "a:1", "<x>", " ", "ink", "Add Detail"]) == ("ink", "Add Detail")


@pytest.mark.parametrize(
    ("typed", "flags"),
    [
        ({"scheduler": "sgm uniform"}, "--scheduler SGM-Uniform"),
        ({"lora": "ink, add detail:0.5"}, "--lora ink, add detail:0.5"),
        ({"lora": "INK"}, "--loras ink"),
        ({"high_res": 1.5}, "--high-res 1.5"),
        ({"high_res": 2.0}, "--hires=2"),
    ],
)
def test_a_field_and_its_flag_are_equivalent(typed: dict[str, Any], flags: str) -> None:
    assert asked(**typed) == asked(f"a cat {flags}") != asked()


def test_a_request_has_the_names_of_the_engine() -> None:
    request = asked(scheduler="karras", lora="add_detail:0.5, INK", high_res=1.5)
    assert (request.scheduler, request.high_res) == ("Karras", 1.5)
    assert request.lora == Loras((Lora("Add Detail", 0.5), Lora("ink")))


def test_a_request_is_stored_and_read_again() -> None:
    request = asked(scheduler="karras", lora="ink:0.5", high_res=1.5)
    assert decode_request(json.loads(json.dumps(encode_request(request)))) == request
    older = {
        name: value for name, value in encode_request(asked()).items() if name not in ("lora", "scheduler", "high_res")
    }
    assert decode_request(older) == asked()


def test_an_engine_without_a_list_takes_any_name() -> None:
    free = replace(PAINTER, loras=(), schedulers=())
    command = read_command(ImagineOptions("a cat", lora="what ever:0.5", scheduler="any"))
    (request,) = plan(command, {free.id: free}, free.id).requests
    assert (request.lora, request.scheduler) == (Loras((Lora("what ever", 0.5),)), "any")


@pytest.mark.parametrize(
    ("typed", "problems"),
    [
        ({"lora": "inc"}, [NAME_MISSPELT]),
        ({"lora": "inc, qqqqqqq:0.5, ink"}, [NAME_MISSPELT, UNKNOWN_NAME]),
        ({"lora": "ink:9"}, [UNREADABLE]),
        ({"scheduler": "karas"}, [NAME_MISSPELT]),
        ({"high_res": 3.0}, [OUT_OF_RANGE]),
        ({"engine": XL.id, "lora": "ink", "scheduler": "karras", "high_res": 2.0}, [NOT_TAKEN]),
    ],
)
def test_what_the_engine_does_not_have_is_refused(typed: dict[str, Any], problems: list[Any]) -> None:
    assert codes(refusal(**typed)) == [problem.code for problem in problems]


def test_the_refusal_names_what_is_unknown_and_what_is_near() -> None:
    (problem,) = refusal(lora="ink, ad detail:0.5").problems
    assert (problem.values["text"], problem.values["near"]) == ("ad detail", "Add Detail")


def test_a_near_name_is_found_in_a_long_list() -> None:
    many = replace(PAINTER, loras=(*(f"style-{number}" for number in range(900)), "Film Grain", "Add Detail"))
    assert similar_name(LORA, "filmgrain", many) == "Film Grain"
    assert similar_name(LORA, "a detail", many) == "Add Detail"
    assert similar_name(LORA, "qqqqqq", many) is None


def test_a_misspelt_lora_has_an_alternative() -> None:
    options = ImagineOptions("a cat", lora="inc:0.5, ink, qqqqqqq")
    found = alternatives(options, engines=HERE, default_engine=PAINTER.id, offered=(PAINTER,), most=4)
    assert next(found).options.lora == "ink:0.5"


def test_an_unreadable_list_has_an_alternative_without_it() -> None:
    options = ImagineOptions("a cat", lora="ink:9")
    found = next(alternatives(options, engines=HERE, default_engine=PAINTER.id, offered=(PAINTER,), most=4))
    assert (found.options.lora, found.changes.dropped) == (None, (LORA,))


def test_a_comparison_leaves_loras_out_that_an_engine_does_not_have() -> None:
    spec = ImageSpec((WeightedText("a cat"),), {"lora": Loras((Lora("ink"), Lora("other")))})
    assert dict(fitted(spec, PAINTER)[0].values) == dict(fitted(spec, XL)[0].values) == {}
    known = ImageSpec((WeightedText("a cat"),), {"lora": INK})
    assert fitted(known, PAINTER) == (known, ())


def test_the_command_and_the_form_repeat_them() -> None:
    options = ImagineOptions("a cat --hires 1.5", scheduler="Karras", lora="ink:0.5, Add Detail")
    assert command_line(options).endswith(" scheduler:Karras lora:ink:0.5, Add Detail")
    draft = draft_of(options, engine=PAINTER.id)
    assert draft.further == "--scheduler Karras --lora ink:0.5, Add Detail --high-res 1.5"
    assert asked(draft.options().prompt) == asked(options.prompt, scheduler=options.scheduler, lora=options.lora)


def test_the_names_are_checked_for_refused_words() -> None:
    options = ImagineOptions("a cat", lora="ink")
    plain = plan(read_command(ImagineOptions("a cat --lora ink")), HERE, PAINTER.id)
    assert "ink" in texts_of(options, None)
    assert "ink" in texts_of(ImagineOptions("a cat"), plain)


@pytest.mark.parametrize(
    ("size", "factor", "result"),
    [
        (Size(512, 768), None, Size(512, 768)),
        (Size(512, 768), 2, Size(1024, 1536)),
        (Size(512, 712), 1.3, Size(664, 920)),
        (Size(1024, 1024), 1.25, Size(1280, 1280)),
    ],
)
def test_the_result_of_a_second_pass_is_larger(size: Size, factor: float | None, result: Size) -> None:
    request = ImageRequest(PAINTER.id, (WeightedText("a cat"),), size, high_res=factor)
    assert request.result_size == result


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("", ["ink", "Add Detail", "neon_v2", "neon_v3"]),
        ("neon", ["neon_v2", "neon_v3"]),
        ("DETAIL", ["Add Detail"]),
        ("ink, ", ["ink, Add Detail", "ink, neon_v2", "ink, neon_v3"]),
        ("ink:0.5,neon", ["ink:0.5, neon_v2", "ink:0.5, neon_v3"]),
        ("ink", ["ink", "ink, Add Detail", "ink, neon_v2", "ink, neon_v3"]),
        (
            "ink:0.5, neon_v2:0.8",
            [
                "ink:0.5, neon_v2:0.8",
                "ink:0.5, neon_v2:0.8, Add Detail",
                "ink:0.5, neon_v2:0.8, neon_v3",
            ],
        ),
        ("ink, neon_v2, neon_v3, Add Detail", ["ink, neon_v2, neon_v3, Add Detail"]),
        ("neon_v2:", []),
        ("other:1", []),
        ("ink:9, ", []),
        ("a,b,c,d,", []),
        ("nothing", []),
    ],
)
def test_the_last_name_of_a_list_is_completed(typed: str, found: list[str]) -> None:
    assert list(completions(typed, PAINTER.loras)) == found


def test_a_completed_list_fits_into_a_choice() -> None:
    names = [letter * 60 for letter in "abc"]
    assert list(completions("a" * 60 + ",", names)) == []
    assert len(list(completions("", names))) == 3
