"""Commands that start from a picture: extensions, sizes, and what is refused before anything is paid."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.areas import Area
from bot.domain.command_line import command_line
from bot.domain.edits import (
    AREA_NEEDED,
    EXTENDED_TOO_FAR,
    EXTENDED_TOO_LARGE,
    EXTENSIONS,
    FIT_NEEDED,
    MASK_HAS_OTHER_SHAPE,
    NOT_AN_AREA,
    NOT_AN_EXTENSION,
    OTHER_SHAPE,
    PIXELS_AT_MOST,
    SEARCH_NEEDED,
    SOURCE_NEEDED,
    SQUARE_ALREADY,
    margins_of,
    picture_size,
    same_shape,
    sent_size,
    varied_size,
)
from bot.domain.engines import NOT_TAKEN_BY_ANY, STRENGTH_WITHOUT_PICTURE
from bot.domain.options import ImagineOptions
from bot.domain.pictures import SourceKind, SourcePicture
from bot.domain.prompt.parser import EMPTY_PROMPT
from bot.domain.requests import decode_request, encode_request, plan, read_command
from bot.errors import UserError
from bot.pictures.decoding import DECODED_AT_MOST
from bot.providers.base import ImageRequest, SizeGrid
from bot.providers.operations import Fit, Margins, Operation, PictureRules, Size
from tests.doubles.engines import EDITOR, VARIER
from tests.doubles.texts import codes

PHOTO = SourcePicture(7, SourceKind.ATTACHED, 1024, 768)
OPTIONS = ImagineOptions(prompt="a fox", source=PHOTO)
RULES = PictureRules()
SQUARE = Size(1024, 1024)

sides = st.integers(64, 6000)
sizes = st.builds(Size, sides, sides)
any_sizes = st.builds(Size, st.integers(1, 9_000), st.integers(1, 9_000))


def requests(options: ImagineOptions) -> tuple[ImageRequest, ...]:
    engine = next(each for each in (VARIER, EDITOR) if each.doing(options.operation) is not None)
    doing = engine.doing(options.operation)
    assert doing is not None
    return plan(read_command(options), {doing.id: doing}, doing.id).requests


def refused(options: ImagineOptions) -> list[str]:
    with pytest.raises(UserError) as caught:
        requests(options)
    return codes(caught.value)


# --- extensions -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("wider", Size(1536, 768)),
        ("taller", Size(1024, 1152)),
        ("Zoom out  1.5x", Size(1536, 1152)),
        ("zoom out 2x", Size(2048, 1536)),
        ("square", Size(1024, 1024)),
        ("left 256, down=64", Size(1280, 832)),
    ],
)
def test_an_extension_gives_the_size_of_the_result(name: str, expected: Size) -> None:
    (request,) = requests(replace(OPTIONS, operation=Operation.OUTPAINT, extend=name))
    assert request.size == expected
    assert picture_size(request) == PHOTO.size


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", NOT_AN_EXTENSION.code),
        ("sideways", NOT_AN_EXTENSION.code),
        ("left 0", NOT_AN_EXTENSION.code),
        ("left 256 and more", NOT_AN_EXTENSION.code),
        ("left 2001", EXTENDED_TOO_FAR.code),
    ],
)
def test_what_is_no_extension_is_refused(text: str, code: str) -> None:
    assert refused(replace(OPTIONS, operation=Operation.OUTPAINT, extend=text)) == [code]


def test_a_square_picture_cannot_be_made_square() -> None:
    with pytest.raises(UserError) as caught:
        margins_of("square", Size(512, 512), most=2000)
    assert codes(caught.value) == [SQUARE_ALREADY.code]


@given(sizes, st.sampled_from(sorted(EXTENSIONS)))
def test_no_margin_is_above_the_limit_and_zooming_keeps_the_shape(size: Size, name: str) -> None:
    margins = EXTENSIONS[name].margins(size, 2000)
    assert min(margins.left, margins.right, margins.up, margins.down) >= 0
    assert margins.largest <= 2000
    if name == "square" and abs(size.width - size.height) <= 4000:
        around = margins.around(size)
        assert around.width == around.height == max(size.width, size.height)


# --- sizes and shapes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rules", [RULES, PictureRules(least_side=320, most_pixels=1_048_576, ratio=1.5)])
@given(size=any_sizes, fit=st.sampled_from([None, *Fit]))
def test_a_picture_is_sent_inside_the_rules(rules: PictureRules, size: Size, fit: Fit | None) -> None:
    sent = sent_size(size, rules, fit)
    if fit is None and sent is None:
        return
    assert sent is not None
    assert rules.least_pixels <= sent.pixels <= rules.most_pixels
    assert min(sent.width, sent.height) >= rules.least_side
    assert max(sent.width, sent.height) <= (rules.ratio or 1) * min(sent.width, sent.height)
    assert sent.width == sent.height or (sent.width > sent.height) == (size.width > size.height)


@given(sizes)
def test_a_picture_within_the_rules_is_sent_as_it_is(size: Size) -> None:
    if size.pixels <= RULES.most_pixels and max(size.width, size.height) <= 2.5 * min(size.width, size.height):
        assert {sent_size(size, RULES, fit) for fit in (None, *Fit)} == {size}


@given(any_sizes, any_sizes)
def test_shapes_are_the_same_in_both_directions_or_in_none(one: Size, other: Size) -> None:
    assert same_shape(one, other) == same_shape(other, one)
    assert same_shape(one, one)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (Size(1024, 1024), Size(512, 512), True),
        (Size(1024, 1000), Size(512, 512), True),
        (Size(1024, 980), Size(512, 512), False),
        (Size(1344, 768), Size(1920, 1080), True),
        (Size(1080, 1920), Size(1920, 1080), False),
    ],
)
def test_which_shapes_are_the_same(one: Size, other: Size, same: bool) -> None:
    assert same_shape(one, other) is same


@pytest.mark.parametrize(
    ("size", "rules", "decides"),
    [
        (Size(2500, 1000), RULES, False),
        (Size(2540, 1000), RULES, False),  # A few pixels are cut off.
        (Size(2600, 1000), RULES, True),
        (Size(1000, 2600), RULES, True),
        (Size(1000, 9000), PictureRules(ratio=None), False),
    ],
)
def test_only_a_long_picture_has_to_be_cropped_or_padded(size: Size, rules: PictureRules, decides: bool) -> None:
    assert (sent_size(size, rules, None) is None) is decides


@pytest.mark.parametrize(
    "size", [Size(320, 256), Size(256, 320), Size(400, 300), Size(64, 64), Size(4000, 3000), Size(1284, 2778)]
)
def test_a_picture_of_a_common_shape_is_varied_without_a_question(size: Size) -> None:
    engine = replace(VARIER, sizes=(SQUARE,), grid=SizeGrid(), default_size=SQUARE)
    assert same_shape(size, varied_size(engine, size))


def test_a_small_picture_is_not_enlarged_more_than_its_shape_needs() -> None:
    engine = replace(VARIER, sizes=(SQUARE,), grid=SizeGrid(), default_size=SQUARE)
    assert varied_size(engine, Size(512, 512)) == Size(512, 512)


def test_a_tiny_picture_is_enlarged() -> None:
    assert sent_size(Size(16, 12), RULES, None) == Size(86, 64)


def test_a_picture_of_another_shape_than_the_asked_one_needs_a_decision() -> None:
    vary = replace(OPTIONS, operation=Operation.IMAGE_TO_IMAGE)
    assert refused(replace(vary, size="16:9")) == [OTHER_SHAPE.code]
    (cropped,) = requests(replace(vary, size="16:9", fit=Fit.CROP))
    assert cropped.fit is Fit.CROP
    assert cropped.size.width > cropped.size.height


def test_a_variation_has_the_shape_of_the_picture() -> None:
    (request,) = requests(replace(OPTIONS, operation=Operation.IMAGE_TO_IMAGE, strength=35))
    assert (request.operation, request.source, request.strength) == (Operation.IMAGE_TO_IMAGE, 7, 35)
    assert request.size.width * 3 == request.size.height * 4


def test_a_panorama_is_refused_until_it_is_cropped_or_padded() -> None:
    long = replace(PHOTO, width=3000, height=600)
    sketch = replace(OPTIONS, operation=Operation.SKETCH, source=long)
    assert refused(sketch) == [FIT_NEEDED.code]
    assert requests(replace(sketch, fit=Fit.CROP))[0].size == Size(1500, 600)
    assert requests(replace(sketch, fit=Fit.PAD))[0].size == Size(3000, 1200)


# --- what each operation needs --------------------------------------------------------------------------------------


def test_a_part_is_marked_by_cells_or_by_a_mask() -> None:
    part = replace(OPTIONS, operation=Operation.INPAINT)
    assert refused(part) == [AREA_NEEDED.code]
    assert refused(replace(part, area="4x4:")) == [NOT_AN_AREA.code]
    assert refused(replace(part, area="4x4:17")) == [NOT_AN_AREA.code]
    assert requests(replace(part, area="4x4:5,1"))[0].area == "4x4:1,5"
    mask = SourcePicture(8, SourceKind.MASK, 512, 384)
    assert requests(replace(part, mask=mask))[0].mask == 8
    assert refused(replace(part, mask=replace(mask, height=512))) == [MASK_HAS_OTHER_SHAPE.code]


def test_several_problems_are_refused_at_once() -> None:
    words = replace(OPTIONS, operation=Operation.SEARCH_AND_REPLACE, source=replace(PHOTO, width=4000))
    assert refused(words) == [FIT_NEEDED.code, SEARCH_NEEDED.code]
    assert refused(replace(words, source=None)) == [SOURCE_NEEDED.code]


def test_words_are_needed_except_to_erase_and_to_extend() -> None:
    erase = replace(OPTIONS, prompt="", operation=Operation.ERASE, area="4x4:1")
    assert requests(erase)[0].prompts == ()
    assert requests(replace(OPTIONS, prompt=" ", operation=Operation.OUTPAINT, extend="wider"))[0].prompts == ()
    assert refused(replace(OPTIONS, prompt="", operation=Operation.SKETCH)) == [EMPTY_PROMPT.code]


def test_a_size_is_not_taken_where_the_picture_decides() -> None:
    assert refused(replace(OPTIONS, operation=Operation.SKETCH, size="16:9")) == [NOT_TAKEN_BY_ANY.code]


def test_strength_without_a_picture_says_what_is_missing() -> None:
    with pytest.raises(UserError) as caught:
        plan(read_command(ImagineOptions(prompt="a fox", strength=30)), {VARIER.id: VARIER}, VARIER.id)
    assert codes(caught.value) == [STRENGTH_WITHOUT_PICTURE.code]


def test_options_and_requests_survive_storage() -> None:
    options = replace(OPTIONS, prompt="", operation=Operation.OUTPAINT, extend="wider", fit=Fit.PAD)
    assert ImagineOptions.from_json(options.to_json()) == options
    (request,) = requests(options)
    assert request.margins == Margins(256, 256)
    assert decode_request(encode_request(request)) == request


def test_the_repeated_command_names_the_picture() -> None:
    options = replace(OPTIONS, operation=Operation.SEARCH_AND_REPLACE, search="the cat")
    assert command_line(options) == "/edit words image:p7 prompt:a fox find:the cat"


# --- areas ----------------------------------------------------------------------------------------------------------


@given(st.sets(st.integers(1, 16), min_size=1))
def test_an_area_survives_being_written_and_refined(cells: set[int]) -> None:
    area = Area.of(4, cells)
    assert Area.parse(str(area)) == area
    finer = area.finer()
    assert finer.side == 8
    assert len(finer.cells) == 4 * len(cells)
    assert finer.finer() == finer


@pytest.mark.parametrize("text", ["", "4x4", "4x8:1", "5x5:1", "4x4:0", "4x4:1,,2", "4x4:1;2", "4x4:" + "1," * 500])
def test_what_is_no_area_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Area.parse(text)


def test_added_words_need_words_to_be_added_to() -> None:
    """A person may have removed the words of a job that had some."""
    options = replace(OPTIONS, prompt="", operation=Operation.OUTPAINT, extend="wider", added="in watercolour")
    (request,) = requests(options)
    assert request.prompts == ()
    assert "watercolour" not in command_line(options).partition("added:")[0]


@pytest.mark.parametrize("name", EXTENSIONS)
@given(source=sizes, fit=st.sampled_from([None, *Fit]))
def test_a_large_picture_is_extended_in_fewer_pixels(name: str, source: Size, fit: Fit | None) -> None:
    photo = replace(PHOTO, width=source.width, height=source.height)
    options = replace(OPTIONS, operation=Operation.OUTPAINT, source=photo, extend=name, fit=fit)
    unfit = fit is None and sent_size(source, RULES, None) is None
    square = name == "square" and source.width == source.height
    if unfit or square:
        assert set(refused(options)) <= {FIT_NEEDED.code, SQUARE_ALREADY.code}
        return
    (request,) = requests(options)
    sent = picture_size(request)
    assert request.size.pixels <= PIXELS_AT_MOST
    assert RULES.ratio is not None
    assert max(sent.width, sent.height) <= RULES.ratio * min(sent.width, sent.height)
    assert sent.pixels >= RULES.least_pixels
    assert request.margins == margins_of(name, sent, most=RULES.margin)


def test_pixels_that_would_make_a_picture_too_large_are_refused() -> None:
    photo = replace(PHOTO, width=3000, height=3000)
    options = replace(OPTIONS, operation=Operation.OUTPAINT, source=photo, extend="left 2000 right 2000 up 2000")
    assert refused(options) == [EXTENDED_TOO_LARGE.code]


def test_the_largest_result_of_an_extension_can_be_edited_again() -> None:
    assert 3 * PIXELS_AT_MOST <= DECODED_AT_MOST
