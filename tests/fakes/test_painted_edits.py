"""Pictures that the painter makes from other pictures: what changes, and what stays."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from fakes.painting import Wanted, edit, paint

# Each image takes some tenths of a second to paint.
pytestmark = pytest.mark.slow

SIZE = (192, 160)
OPERATIONS = ("image_to_image", "inpaint", "erase", "outpaint", "search_and_replace", "sketch", "structure")
Pixels = NDArray[np.float64]


def saved(image: Image.Image, kind: str = "PNG") -> bytes:
    out = BytesIO()
    image.save(out, kind)
    return out.getvalue()


def pixels(data: bytes) -> Pixels:
    with Image.open(BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"), dtype=np.float64) / 255


def marked(size: tuple[int, int] = SIZE, box: tuple[int, int, int, int] = (80, 60, 120, 110)) -> bytes:
    """A mask with a white box."""
    mask = Image.new("L", size, 0)
    mask.paste(255, box)
    return saved(mask)


def meadow(thing: str | None = "red") -> bytes:
    """A plain landscape: blue above green, with a coloured square in the middle."""
    image = Image.new("RGB", SIZE, (120, 160, 220))
    image.paste((70, 130, 60), (0, 90, *SIZE))
    if thing:
        image.paste(thing, (85, 65, 115, 105))
    return saved(image)


def reds(picture: Pixels) -> int:
    """The number of strongly red pixels."""
    return int(((picture[..., 0] > 0.6) & (picture[..., 1] < 0.35) & (picture[..., 2] < 0.35)).sum())


SCENE = paint("a castle on a hill by day", seed=3, size=SIZE)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_same_edit_gives_the_same_bytes_and_another_seed_others(operation: str) -> None:
    def painted(seed: int) -> bytes:
        size = (256, 160) if operation == "outpaint" else SIZE
        wanted = Wanted("a tree at sunset", size, seed=seed, mask=marked(), margins=(64, 0, 0, 0))
        return edit(operation, SCENE, wanted)

    assert painted(1) == painted(1)
    assert painted(1) != painted(2)
    assert painted(1) != SCENE


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize(("output", "kind"), [("png", "PNG"), ("jpeg", "JPEG"), ("webp", "WEBP")])
def test_the_result_has_the_requested_size_and_type(operation: str, output: str, kind: str) -> None:
    size = (256, 224) if operation == "outpaint" else (300, 250)
    wanted = Wanted("a boat", size, mask=marked(), margins=(32, 32, 24, 40))
    with Image.open(BytesIO(edit(operation, SCENE, wanted, output))) as image:
        image.load()
        assert (image.format, image.mode, image.size) == (kind, "RGB", size)


@pytest.mark.parametrize("output", ["png", "webp"])
def test_the_background_becomes_transparent(output: str) -> None:
    cut = edit("remove_background", meadow(), Wanted("", SIZE), output)
    with Image.open(BytesIO(cut)) as image:
        alpha = image.convert("RGBA").getchannel("A")
        assert image.size == SIZE
    assert alpha.getpixel((100, 85)) == 255
    assert alpha.getpixel((2, 2)) == 0


ODD: list[tuple[str, tuple[int, int], str, bytes | None]] = [
    ("L", (64, 64), "", None),
    ("P", (400, 160), "a robot", marked((32, 48), (0, 0, 32, 20))),
    ("1", (160, 400), "zorp", marked((160, 400), (0, 0, 160, 400))),
    ("LA", (65, 127), "a boat", marked((65, 127), (60, 0, 65, 3))),
]


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize(("mode", "size", "prompt", "mask"), ODD, ids=[each[0] for each in ODD])
def test_any_picture_can_be_edited(
    operation: str, mode: str, size: tuple[int, int], prompt: str, mask: bytes | None
) -> None:
    with Image.open(BytesIO(SCENE)) as scene:
        source = saved(scene.resize(size).convert(mode))
    assert pixels(edit(operation, source, Wanted(prompt, size, mask=mask))).shape == (size[1], size[0], 3)


def test_a_plain_picture_can_be_edited() -> None:
    source = saved(Image.new("RGB", (96, 96), "white"))
    for operation in OPERATIONS:
        wanted = Wanted("a house", (96, 96), mask=marked((96, 96), (20, 20, 60, 60)))
        assert pixels(edit(operation, source, wanted)).shape == (96, 96, 3)


def test_the_more_may_change_the_more_changes() -> None:
    source = pixels(SCENE)
    apart = []
    for change in (0.05, 0.35, 0.6, 0.95):
        result = edit("image_to_image", SCENE, Wanted("a castle on a hill at night", SIZE, change=change))
        apart.append(float(np.abs(pixels(result) - source).mean()))
    assert apart == sorted(apart)
    assert apart[0] < 0.03
    assert apart[-1] > 0.1


def test_inpainting_changes_the_marked_part_and_nothing_else() -> None:
    before = pixels(SCENE)
    after = pixels(edit("inpaint", SCENE, Wanted("a red car", SIZE, mask=marked(box=(100, 90, 180, 150)))))
    apart = np.abs(after - before).max(2)
    assert apart[:, :80].max() == 0
    assert apart[:70].max() == 0
    assert apart[95:145, 105:175].mean() > 0.05


@pytest.mark.parametrize("thing", ["a red mushroom", "a balloon", "a boat", "a forest at night"])
def test_inpainting_shows_what_the_words_say(thing: str) -> None:
    plain = meadow(None)
    empty = pixels(edit("erase", plain, Wanted("", SIZE, mask=marked())))
    assert np.abs(pixels(edit("inpaint", plain, Wanted(thing, SIZE, mask=marked()))) - empty).mean() > 0.005


def test_what_is_erased_is_gone_and_the_gap_is_filled_from_around_it() -> None:
    assert reds(pixels(meadow())) > 1_000
    result = pixels(edit("erase", meadow(), Wanted("", SIZE, mask=marked())))
    assert reds(result) == 0
    assert np.abs(result - pixels(meadow(None))).mean() < 0.01


def test_without_a_mask_the_transparent_part_is_repainted() -> None:
    with Image.open(BytesIO(meadow())) as opened:
        image = opened.convert("RGBA")
    image.paste((255, 0, 0, 0), (80, 60, 120, 110))
    assert reds(pixels(edit("erase", saved(image), Wanted("", SIZE)))) == 0


def test_an_extended_picture_is_the_same_in_its_middle_and_goes_on_at_its_edges() -> None:
    result = pixels(edit("outpaint", SCENE, Wanted("", (288, 240), margins=(64, 32, 50, 30))))
    middle = result[50:210, 64:256]
    assert np.array_equal(middle, pixels(SCENE))
    seams = (result[50:210, 63] - result[50:210, 64], result[49, 64:256] - result[50, 64:256])
    assert max(float(np.abs(seam).mean()) for seam in seams) < 0.06
    assert min(float(part.std()) for part in (result[:40], result[220:], result[:, :50])) > 0.01


def test_the_most_striking_thing_is_replaced() -> None:
    before, after = pixels(meadow()), pixels(edit("search_and_replace", meadow(), Wanted("a green tree", SIZE)))
    assert reds(after) < reds(before) / 20
    apart = np.abs(after - before).max(2)
    assert (apart < 0.02).mean() > 0.4
    assert apart[70:100, 90:110].mean() > 0.1


def test_a_drawing_becomes_a_scene_with_its_shapes() -> None:
    drawing = Image.new("RGB", SIZE, "white")
    pen = ImageDraw.Draw(drawing)
    pen.rectangle((60, 60, 130, 120), outline="black", width=4)
    result = pixels(edit("sketch", saved(drawing), Wanted("a red house on a hill by day", SIZE)))
    inside, outline, outside = result[70:110, 70:120], result[62:118, 61:63], result[70:110, 140:180]
    assert outline.mean() < inside.mean() - 0.1
    assert inside[..., 0].mean() > inside[..., 1].mean() + 0.2
    assert np.abs(inside.mean((0, 1)) - outside.mean((0, 1))).max() > 0.15
    assert float(result.std()) > 0.1


def test_the_structure_stays_and_the_colours_do_not() -> None:
    before, after = pixels(SCENE), pixels(edit("structure", SCENE, Wanted("a red desert at sunset", SIZE)))
    assert np.abs(before - after).mean() > 0.1

    def edges(picture: Pixels) -> Pixels:
        grey = picture.mean(2)[40:]
        return np.asarray(np.hypot(*np.gradient(grey)), dtype=np.float64)

    def alike(other: Pixels) -> float:
        return float(np.corrcoef(edges(before).ravel(), edges(other).ravel())[0, 1])

    assert alike(after) > 0.3
    assert alike(after) > 3 * alike(pixels(paint("a red desert at sunset", size=SIZE)))
