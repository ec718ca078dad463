"""AI Thriving's endpoints for pictures and its newer engines: vague pages, refusals, odd results."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from aiohttp import web

from bot.providers.aithriving import Aithriving
from bot.providers.base import Finished
from bot.providers.errors import (
    Busy,
    NotFound,
    OutcomeUnknown,
    ProviderError,
    Reason,
    Refused,
    TooLarge,
)
from bot.providers.operations import Margins, Operation, Pictures, Size
from fakes.services import image_variants
from tests.doubles.provider import png
from tests.providers.form_server import (
    FormServer,
    aithriving_at,
    failure,
    form_server,
    made_from,
    page,
    pictures,
    success,
)
from tests.providers.workbench import BASIC, CORE, asked, raw_server, reader, refusal

SD3 = "aithriving/sd3-large"
TURBO = "aithriving/sd3-large-turbo"
EDIT = "aithriving/edit"
CONTROL = "aithriving/control"
FIRST, SECOND = "/api/generate/sdv3/textToImage", "/api/generate/sd3/textToImage"
ERASE = asked(EDIT, operation=Operation.ERASE)


@pytest.fixture
async def server() -> AsyncIterator[FormServer]:
    async with form_server() as running:
        yield running


@pytest.fixture
async def provider(server: FormServer) -> AsyncIterator[Aithriving]:
    async with aithriving_at(server) as made:
        yield made


@pytest.fixture
def files(tmp_path: Path) -> Pictures:
    return pictures(tmp_path, mask=True)


def paths(server: FormServer) -> list[str]:
    return [call.path for call in server.calls]


# --- the two paths of SD3 ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [404, 405])
async def test_the_other_path_is_used_after_a_page_that_says_that_there_is_none(
    provider: Aithriving, server: FormServer, status: int
) -> None:
    server.by_path[FIRST] = page(status)
    error = await refusal(made_from(provider, asked(SD3), None))
    assert isinstance(error, Busy)
    assert error.retry_after == 0
    assert paths(server) == [FIRST]
    for engine in (SD3, TURBO):
        assert len((await made_from(provider, asked(engine), None)).images) == 1
    assert paths(server) == [FIRST, SECOND, SECOND]


async def test_the_two_endpoints_have_their_own_paths(
    provider: Aithriving, server: FormServer, files: Pictures
) -> None:
    server.by_path[FIRST] = page(404)
    await refusal(made_from(provider, asked(SD3), None))
    await made_from(provider, asked(SD3, operation=Operation.IMAGE_TO_IMAGE), files)
    assert paths(server)[-1] == "/api/generate/sdv3/imageToImage"


async def test_without_any_path_the_request_is_refused_and_the_next_one_tries_again(
    provider: Aithriving, server: FormServer
) -> None:
    server.by_path = {FIRST: page(404), SECOND: page(404)}
    assert type(await refusal(made_from(provider, asked(SD3), None))) is Busy
    error = await refusal(made_from(provider, asked(SD3), None))
    assert isinstance(error, Refused)
    assert error.reason is Reason.RETIRED
    assert not provider.retired
    server.by_path = {}
    assert len((await made_from(provider, asked(SD3), None)).images) == 1
    assert paths(server) == [FIRST, SECOND, FIRST]


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, Refused), (429, Busy), (500, OutcomeUnknown), (502, OutcomeUnknown), (200, OutcomeUnknown)],
)
async def test_any_other_page_does_not_lead_to_the_other_path(
    provider: Aithriving, server: FormServer, status: int, kind: type[ProviderError]
) -> None:
    server.answers = [page(status)]
    assert isinstance(await refusal(made_from(provider, asked(SD3), None)), kind)
    await made_from(provider, asked(SD3), None)
    assert paths(server) == [FIRST, FIRST]


async def test_a_refusal_by_the_service_does_not_lead_to_the_other_path(
    provider: Aithriving, server: FormServer
) -> None:
    server.answers = [failure("the moon is down", 404), failure("the moon is down")]
    for _ in range(2):
        assert (await refusal(made_from(provider, asked(SD3), None))).said == "the moon is down."
    assert paths(server) == [FIRST, FIRST]


async def test_requests_at_the_same_time_agree_on_the_path(provider: Aithriving, server: FormServer) -> None:
    server.by_path[FIRST] = page(404)
    errors = await asyncio.gather(*(refusal(made_from(provider, asked(SD3), None)) for _ in range(4)))
    assert {type(error) for error in errors} == {Busy}
    await asyncio.gather(*(made_from(provider, asked(SD3), None) for _ in range(4)))
    assert paths(server) == [FIRST] * 4 + [SECOND] * 4


@pytest.mark.parametrize(("setting", "first"), [("sd3,sdv3", SECOND), ("sd3", SECOND), ("sdv3", FIRST)])
async def test_the_paths_are_configurable(server: FormServer, setting: str, first: str) -> None:
    settings = reader(AITHRIVING_KEY="sk-5ecret-0f-the-b0t", AITHRIVING_URL=server.url, AITHRIVING_SD3_PATHS=setting)
    provider = Aithriving.configure(settings)
    assert provider is not None
    await made_from(provider, asked(SD3), None)
    await provider.close()
    assert paths(server) == [first]


async def test_one_path_only_that_is_absent_is_not_a_retired_engine(
    provider: Aithriving, server: FormServer, files: Pictures
) -> None:
    server.answers = [page(404)]
    assert isinstance(await refusal(made_from(provider, ERASE, files)), NotFound)
    assert len((await made_from(provider, ERASE, files)).images) == 1


# --- retired engines --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "status"),
    [
        ("The specified engine (ID stable-diffusion-v1-6) was not found.", 200),
        ("The specified engine was not found.", 404),
        ("This model is deprecated.", 200),
        ("This engine has been retired.", 400),
        ({"id": "1f", "name": "not_found", "errors": ["The requested model no longer exists"]}, 200),
        ("Unknown engine", 200),
    ],
)
async def test_a_retired_engine_is_switched_off(
    provider: Aithriving, server: FormServer, message: object, status: int
) -> None:
    server.answers = [failure(message, status)]
    for again in (False, True):
        error = await refusal(made_from(provider, asked(BASIC), None))
        assert isinstance(error, Refused)
        assert error.reason is Reason.RETIRED
        assert error.operator is not again
    assert provider.retired == {BASIC}
    assert len(server.calls) == 1
    await made_from(provider, asked(CORE), None)


@pytest.mark.parametrize(("message", "status"), [("Not Found", 404), ("", 410)])
async def test_a_404_that_names_no_engine_retires_none(
    provider: Aithriving, server: FormServer, message: str, status: int
) -> None:
    """The service may be restarting. The caller decides whether it persists."""
    server.answers = [failure(message, status)]
    assert isinstance(await refusal(made_from(provider, asked(BASIC), None)), NotFound)
    assert not provider.retired
    assert len((await made_from(provider, asked(BASIC), None)).images) == 1


@pytest.mark.parametrize(
    ("words", "message", "status"),
    [
        ("a steam engine", "'engine' was not found", 200),
        ("models on a catwalk", "No model was found; the model does not exist in the picture", 200),
        ("a lighthouse", "The engine failed.", 200),
        ("a lighthouse", "No lighthouse was found in the picture.", 404),
        ("a lighthouse", "The model is overloaded.", 200),
    ],
)
async def test_words_about_a_picture_do_not_retire_an_engine(
    provider: Aithriving, server: FormServer, files: Pictures, words: str, message: str, status: int
) -> None:
    request = asked(EDIT, operation=Operation.SEARCH_AND_REPLACE, search=words)
    server.answers = [failure(message, status)]
    error = await refusal(made_from(provider, request, files))
    assert error.reason is not Reason.RETIRED
    assert not provider.retired
    assert len((await made_from(provider, request, files)).images) == 1


async def test_endpoints_that_have_nothing_in_common_are_retired_one_by_one(
    provider: Aithriving, server: FormServer, files: Pictures
) -> None:
    sketch, structure = (asked(CONTROL, operation=each) for each in (Operation.SKETCH, Operation.STRUCTURE))
    server.answers = [failure("This engine has been retired.", 404)]
    await refusal(made_from(provider, sketch, files))
    assert (await refusal(made_from(provider, sketch, files))).reason is Reason.RETIRED
    assert len((await made_from(provider, structure, files)).images) == 1
    assert not provider.retired
    control = next(engine for engine in provider.engines if engine.id == CONTROL)
    assert provider.has_retired(control)
    assert [provider.has_retired(each) for each in control.others] == [False]
    server.answers = [failure("This engine has been retired.", 404)]
    await refusal(made_from(provider, structure, files))
    assert provider.retired == {CONTROL}
    assert len(server.calls) == 3


# --- forms that are too large -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        lambda: page(413),
        lambda: failure("no", 413),
        lambda: failure("Payload too large"),
        lambda: failure({"name": "payload_too_large", "errors": ["Your request was larger than 10MiB."]}),
    ],
    ids=["page", "code and status", "message", "upstream"],
)
async def test_a_form_that_is_too_large_can_be_made_smaller(
    provider: Aithriving, server: FormServer, files: Pictures, answer: Callable[[], web.Response]
) -> None:
    server.answers = [answer()]
    error = await refusal(made_from(provider, ERASE, files))
    assert isinstance(error, TooLarge)
    assert error.reason is Reason.UPLOAD_TOO_LARGE


async def test_a_request_of_words_cannot_be_made_smaller(provider: Aithriving, server: FormServer) -> None:
    server.answers = [page(413), failure("Payload too large")]
    for _ in range(2):
        assert isinstance(await refusal(made_from(provider, asked(CORE), None)), Refused)


# --- messages of any shape --------------------------------------------------------------------------------------------

UPSTREAM = {
    "id": "ed14db44362126aab3cbd25cca51ffe3",
    "name": "content_moderation",
    "errors": ["Your request was flagged by our content moderation system."],
}


@pytest.mark.parametrize("message", [UPSTREAM, [UPSTREAM], json.dumps(UPSTREAM), {"error": UPSTREAM}])
@pytest.mark.parametrize("status", [200, 403, 500])
async def test_errors_that_are_passed_on_are_flattened(
    provider: Aithriving, server: FormServer, files: Pictures, message: object, status: int
) -> None:
    server.answers = [failure(message, status)]
    error = await refusal(made_from(provider, ERASE, files))
    assert isinstance(error, Refused)
    assert error.reason is Reason.MODERATED
    assert error.said == "Your request was flagged by our content moderation system."


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ({"name": "content_moderation"}, Reason.MODERATED),
        (["Insufficient credits."], Reason.NO_CREDITS),
        ([{"message": "rate limit exceeded"}], Reason.BUSY),
        ({"errors": ["search_prompt: must be in English (unsupported language)"]}, Reason.REFUSED),
        ({"errors": []}, Reason.REFUSED),
        ("{", Reason.REFUSED),
        ("[1, 2", Reason.REFUSED),
    ],
)
async def test_messages_as_lists_and_objects(
    provider: Aithriving, server: FormServer, files: Pictures, message: object, reason: Reason
) -> None:
    server.answers = [failure(message)]
    error = await refusal(made_from(provider, ERASE, files))
    assert error.reason is reason
    assert "{" not in error.said or message == "{"


# --- results ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "source", "result", "reshaped"),
    [
        (Operation.ERASE, Size(64, 64), Size(64, 64), False),
        (Operation.ERASE, Size(64, 64), Size(128, 128), False),  # The service enlarges.
        (Operation.INPAINT, Size(1536, 640), Size(196, 82), False),  # In steps of some pixels.
        (Operation.INPAINT, Size(64, 64), Size(80, 64), True),
        (Operation.OUTPAINT, Size(64, 64), Size(64, 80), False),
        (Operation.OUTPAINT, Size(64, 64), Size(128, 160), False),
        (Operation.OUTPAINT, Size(64, 64), Size(64, 64), True),  # The direction was ignored.
        (Operation.SKETCH, Size(96, 64), Size(64, 96), True),
        (Operation.SKETCH, Size(96, 64), Size(48, 32), False),
    ],
)
async def test_the_shape_of_a_result_is_checked(
    provider: Aithriving,
    server: FormServer,
    tmp_path: Path,
    operation: Operation,
    source: Size,
    result: Size,
    reshaped: bool,
) -> None:
    margins = Margins(down=16) if operation is Operation.OUTPAINT else None
    engine = CONTROL if operation is Operation.SKETCH else EDIT
    server.answers = [success(png(size=result))]
    request = asked(engine, operation=operation, margins=margins, size=source)
    made = await made_from(provider, request, pictures(tmp_path, mask=True, size=source))
    assert made.images[0].reshaped is reshaped


async def test_a_varied_picture_has_the_size_of_the_request(
    provider: Aithriving, server: FormServer, files: Pictures
) -> None:
    server.answers = [success(png(size=Size(96, 64))), success(png(size=Size(64, 64)))]
    request = asked(SD3, operation=Operation.IMAGE_TO_IMAGE, size=Size(960, 640))
    assert [(await made_from(provider, request, files)).images[0].reshaped for _ in range(2)] == [False, True]


async def test_the_size_of_a_new_image_is_never_promised(provider: Aithriving, server: FormServer) -> None:
    server.answers = [success(png(size=Size(96, 64)))]
    assert not (await made_from(provider, asked(CORE), None)).images[0].reshaped


@pytest.mark.parametrize("where", ["data", "beside"])
@pytest.mark.parametrize("name", ["finish_reason", "finishReason"])
async def test_a_blurred_result_is_marked(
    provider: Aithriving, server: FormServer, files: Pictures, where: str, name: str
) -> None:
    answer = json.loads(success().text or "")
    (answer["data"] if where == "data" else answer)[name] = "CONTENT_FILTERED"
    server.answers = [web.json_response(answer)]
    assert (await made_from(provider, ERASE, files)).images[0].filtered


@pytest.mark.parametrize("seed", [7, 7.0, "7", "7.0"])
async def test_seeds_are_coerced(provider: Aithriving, server: FormServer, files: Pictures, seed: object) -> None:
    server.answers = [success(seed=seed)]
    assert (await made_from(provider, ERASE, files)).images[0].seed == 7


@pytest.mark.parametrize("alter", [image_variants.jpeg, image_variants.webp], ids=["jpeg", "webp"])
async def test_the_type_of_a_result_comes_from_its_bytes(
    provider: Aithriving, server: FormServer, files: Pictures, tmp_path: Path, alter: Callable[[bytes], bytes]
) -> None:
    server.answers = [success(alter(png(size=Size(64, 64))))]
    made = await made_from(provider, ERASE, files)
    fetched = await provider.fetch(made.images[0], tmp_path / "result")
    assert fetched.media_type in {"image/jpeg", "image/webp"}
    assert not made.images[0].reshaped


async def test_a_result_of_40_mib_of_base64_is_read(
    provider: Aithriving, server: FormServer, files: Pictures, tmp_path: Path
) -> None:
    server.answers = [success(png(size=Size(64, 64)) + bytes(30 << 20))]
    made = await made_from(provider, ERASE, files)
    assert (await provider.fetch(made.images[0], tmp_path / "result")).bytes > 30 << 20


# --- no answer --------------------------------------------------------------------------------------------------------


async def test_an_edit_is_given_three_minutes_and_never_sent_again(
    files: Pictures, pass_time: Callable[[float], None]
) -> None:
    called: asyncio.Queue[bytes] = asyncio.Queue()

    async def talk(incoming: asyncio.StreamReader, outgoing: asyncio.StreamWriter) -> None:
        head = await incoming.readuntil(b"\r\n\r\n")
        length = next(line for line in head.splitlines() if line.lower().startswith(b"content-length:"))
        called.put_nowait(await incoming.readexactly(int(length.partition(b":")[2])))
        await incoming.read()

    async with raw_server(talk) as url:
        server = FormServer()
        server.url = url
        async with aithriving_at(server) as provider:
            call = asyncio.create_task(refusal(made_from(provider, ERASE, files)))
            await called.get()
            pass_time(170)
            for _ in range(50):
                await asyncio.sleep(0)
            assert not call.done()
            pass_time(20)
            assert isinstance(await call, OutcomeUnknown)
    assert called.empty()


async def test_several_edits_at_the_same_time(provider: Aithriving, server: FormServer, files: Pictures) -> None:
    server.answers = [success(), failure("no"), success()]
    results = await asyncio.gather(*(made_from(provider, ERASE, files) for _ in range(3)), return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == sorted(["Finished", "Finished", "Refused"])
    assert all(isinstance(result, Finished | Refused) for result in results)
