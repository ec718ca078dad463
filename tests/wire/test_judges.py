"""The judges: requests that Discord would not accept are recorded and refused."""

from __future__ import annotations

import copy
import json
from typing import Any

import aiohttp
import discord as library
import pytest
from discord import app_commands
from discord.http import handle_message_parameters

from fakes.discord import schema_differences
from fakes.discord.command_limits import choice_faults, command_faults
from fakes.discord.components import settle
from fakes.discord.constants import MessageFlag
from fakes.discord.loopback import Discord
from fakes.discord.mentions import pinged
from fakes.discord.message_limits import Draft, message_faults, modal_faults
from fakes.discord.messages import new_attachment
from fakes.discord.model import Body, Channel, Message, Upload
from fakes.discord.schema import Schema
from tests.doubles.openapi import FILE, discord_schema, needs_file
from tests.wire.smallbot import card, paint, pictures

V2 = int(MessageFlag.COMPONENTS_V2)

TEXT = {"type": 10, "content": "hello"}
IMAGE = Upload(0, "0.png", b"data")


def button(custom_id: str = "a", **more: Any) -> dict[str, Any]:
    return {"type": 2, "style": 1, "label": "Press", "custom_id": custom_id} | more


def row(*inner: dict[str, Any]) -> dict[str, Any]:
    return {"type": 1, "components": list(inner)}


def gallery(*names: str, **more: Any) -> dict[str, Any]:
    return {"type": 12, "items": [{"media": {"url": f"attachment://{name}"}} | more for name in names]}


def v2(*components: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"flags": V2, "components": list(components)} | more


def listing(*uploads: Upload) -> list[dict[str, Any]]:
    return [{"id": one.index, "filename": one.filename} for one in uploads]


MESSAGES: list[tuple[dict[str, Any], tuple[Upload, ...], str]] = [
    (v2(*[TEXT] * 41), (), "41 components"),
    (v2(*[{"type": 17, "components": [TEXT] * 4}] * 8, TEXT), (), "41 components"),
    (v2({"type": 10, "content": "x" * 2001}, {"type": 10, "content": "x" * 2000}), (), "4001 characters"),
    (v2(row(button("a"), button("a"))), (), "stands 2 times"),
    (v2(TEXT, content="hello"), (), "has no content"),
    (v2(TEXT, embeds=[{"title": "hello"}]), (), "has no embeds"),
    ({"components": [TEXT]}, (), "without the flag"),
    ({"components": [row(button(str(n))) for n in range(6)]}, (), "6 rows"),
    (v2(row(*[button(str(n)) for n in range(6)])), (), "6 buttons"),
    (v2(row(button(), {"type": 3, "custom_id": "b", "options": [{"value": "x"}]})), (), "must stand alone"),
    (v2(row()), (), "an empty row"),
    (v2(row(button("x" * 101))), (), "custom_id of 101"),
    (v2(row(button(label="x" * 81))), (), "label of 81"),
    (v2(row(button(label=None))), (), "neither label nor emoji"),
    (v2(row(button(custom_id=""))), (), "without a custom_id"),
    (v2(row(button(style=5, url="https://example.com"))), (), "a link with a custom_id"),
    (v2({"type": 12, "items": []}), (), "gallery of 0"),
    (v2(gallery(*["0.png"] * 11)), (IMAGE,), "gallery of 11"),
    (v2(gallery("0.png", description="x" * 1025)), (IMAGE,), "1025 characters"),
    (v2(gallery("1.png")), (IMAGE,), "attachment://1.png is not there"),
    (v2(TEXT), (IMAGE,), "no component shows"),
    (v2(gallery("0.png"), attachments=[]), (IMAGE,), "not listed"),
    (v2(gallery("0.png"), attachments=[{"id": 5}]), (IMAGE,), "attachment 5 is neither"),
    (v2(gallery("0.png")), (IMAGE, Upload(1, "0.png", b"other")), "2 files called"),
    (v2({"type": 12, "items": [{"media": {"url": "file:///etc/passwd"}}]}), (), "a media item at"),
    (v2({"type": 9, "components": [], "accessory": button()}), (), "a section of 0"),
    (v2({"type": 9, "components": [TEXT]}), (), "without an accessory"),
    (v2({"type": 10, "content": " "}), (), "a text without text"),
    (v2(row({"type": 3, "custom_id": "a", "options": []})), (), "a choice of 0"),
    (v2(row({"type": 3, "custom_id": "a", "options": [{"value": "x"}, {"value": "x"}]})), (), "option 'x' stands 2"),
    ({"content": "x" * 2001}, (), "2001 characters"),
    ({"embeds": [{"description": "x" * 3001}] * 2}, (), "6002 characters"),
    ({"content": "x"}, tuple(Upload(n, f"{n}.png", b"") for n in range(11)), "11 files"),
    ({"content": "x", "allowed_mentions": {"parse": ["users"], "users": ["1"]}}, (), "names users and lets all"),
    ({"content": "x", "enforce_nonce": True}, (), "without a nonce"),
]


@pytest.mark.parametrize(("payload", "files", "fault"), MESSAGES, ids=[one[2] for one in MESSAGES])
def test_a_message_beyond_a_limit(payload: dict[str, Any], files: tuple[Upload, ...], fault: str) -> None:
    assert any(fault in found for found in message_faults(Draft(payload, files)))


def test_messages_at_their_limits() -> None:
    files = tuple(Upload(number, f"{number}.png", b"") for number in range(10))
    shown = gallery(*(one.filename for one in files), description="x" * 1024)
    buttons = row(*[button(f"{number}" + "x" * 99, label="x" * 80) for number in range(5)])
    section = {"type": 9, "components": [TEXT] * 3, "accessory": button("z")}
    texts = [{"type": 10, "content": "x" * 100}] * 27
    whole = v2({"type": 17, "components": [shown, buttons, section, *texts]}, attachments=listing(*files))
    assert message_faults(Draft(whole, files)) == []
    assert message_faults(Draft({"content": "x" * 2000}, ())) == []


@pytest.fixture
def before(discord: Discord, channel: Channel) -> Message:
    """A message with Components V2 and one image."""
    world = discord.world
    attachment = new_attachment(world, channel, IMAGE)
    components = tuple(settle([gallery("0.png")], [attachment], world.ids.next))
    body = Body("", (), components, (attachment,), MessageFlag.COMPONENTS_V2)
    return Message(world.ids.next(), channel, world.bot, [body])


def test_edits_beyond_a_limit(before: Message) -> None:
    kept = before.body.attachments
    new = Upload(0, "new.png", b"data")

    def faults(payload: dict[str, Any], files: tuple[Upload, ...] = (), keep: bool = True) -> list[str]:
        return message_faults(Draft(payload, files, kept if keep else (), before=before))

    assert faults({"components": [gallery("0.png")]}) == []
    assert faults(v2(gallery("new.png"), attachments=listing(new)), (new,), keep=False) == []
    assert "cannot be taken off" in faults({"flags": 0, "components": [row(button())]})[0]
    assert "has no content" in faults({"content": "hello"})[0]
    assert "0.png is not there" in faults({"components": [gallery("0.png")], "attachments": []}, keep=False)[0]
    # Without a list, the new file is a plain attachment, to which no component can refer.
    assert "new.png is not there" in faults({"components": [gallery("new.png")]}, (new,))[0]


@pytest.mark.parametrize(
    ("modal", "fault"),
    [
        ({"title": "x" * 46, "components": [row({"type": 4, "custom_id": "a"})]}, "title of 46"),
        ({"title": "x", "components": []}, "a modal of 0 parts"),
        ({"title": "x", "components": [row({"type": 4, "custom_id": str(n)}) for n in range(6)]}, "of 6 parts"),
        ({"title": "x", "components": [row({"type": 4, "custom_id": "a", "max_length": 4001})]}, "4001"),
        ({"title": "x", "components": [row({"type": 4, "custom_id": "a", "value": "x" * 4001})]}, "holds 4001"),
        ({"title": "x", "components": [row({"type": 4, "custom_id": "a"})] * 2}, "stands 2 times"),
    ],
)
def test_a_modal_beyond_a_limit(modal: dict[str, Any], fault: str) -> None:
    assert any(fault in found for found in modal_faults(modal))


def command(**more: Any) -> dict[str, Any]:
    return {"name": "paint", "type": 1, "description": "Paints"} | more


def option(name: str = "prompt", kind: int = 3, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, "description": "What"} | more


CHOICE = {"name": "red", "value": "red"}
COMMANDS: list[tuple[list[dict[str, Any]], str]] = [
    ([command(name=f"c{number}") for number in range(101)], "101 commands"),
    ([command(), command()], "stands 2 times"),
    ([command(name="Paint")], "cannot be a name"),
    ([command(description="x" * 101)], "description of 101"),
    ([command(description="")], "description of 0"),
    ([command(type=3, name="Use", description="x")], "neither description"),
    ([command(options=[option(str(number)) for number in range(26)])], "26 options"),
    ([command(options=[option(), option()])], "'prompt' stands 2"),
    ([command(options=[option("a"), option("b", required=True)])], "required and stands after"),
    ([command(options=[option(choices=[CHOICE], autocomplete=True)])], "choices and autocomplete"),
    ([command(options=[option(choices=[CHOICE, CHOICE])])], "'red' stands 2"),
    ([command(options=[option(max_length=6001)])], "6001 characters"),
    ([command(options=[option(kind=4, min_value=2, max_value=1)])], "goes from 2 to 1"),
    ([command(options=[option("a", 1), option("b", 3)])], "beside subcommands"),
    ([command(options=[option("a", 1, options=[option(description="")])])], "description of 0"),
    ([command(options=[option(str(n), description="x" * 100, choices=[CHOICE]) for n in range(25)] * 4)], "8000"),
]


@pytest.mark.parametrize(("commands", "fault"), COMMANDS, ids=[one[1] for one in COMMANDS])
def test_commands_beyond_a_limit(commands: list[dict[str, Any]], fault: str) -> None:
    assert any(fault in found for found in command_faults(commands))


def test_choices_beyond_a_limit() -> None:
    assert choice_faults([{"name": str(number), "value": str(number)} for number in range(25)], 3) == []
    assert "26 choices" in choice_faults([{"name": str(number), "value": str(number)} for number in range(26)], 3)[0]
    assert "101" in choice_faults([{"name": "x" * 101, "value": "x"}], 3)[0]
    assert "cannot be a value" in choice_faults([{"name": "x", "value": "x" * 101}], 3)[0]
    assert "cannot be a value" in choice_faults([{"name": "x", "value": "1"}], 4)[0]


def samples() -> list[tuple[str, str, Any]]:
    """The requests of discord.py that differ from the schema."""
    with handle_message_parameters(
        attachments=pictures(1),
        view=card("hello", 1),
        allowed_mentions=library.AllowedMentions(
            everyone=False, users=[library.Object(1)], roles=[library.Object(2)], replied_user=False
        ),
    ) as parameters:
        assert parameters.multipart is not None
        message = json.loads(parameters.multipart[0]["value"])
    hook = "/webhooks/{webhook_id}/{webhook_token}/messages/{message_id}"
    callback = "/interactions/{interaction_id}/{interaction_token}/callback"
    client = library.Client(intents=library.Intents.none())
    commands = [paint.to_dict(app_commands.CommandTree(client))]
    return [
        ("PATCH", hook, message),
        ("PATCH", "/channels/{channel_id}/messages/{message_id}", message),
        ("POST", callback, {"type": 7, "data": message}),
        ("POST", "/users/@me/channels", {"recipient_id": 1}),
        ("PUT", "/applications/{application_id}/commands", commands),
    ]


def faults_of(judge: Schema) -> list[str]:
    return [
        fault
        for method, template, body in samples()
        for fault in judge.faults(method, template, "application/json", body, {})
    ]


@needs_file
def test_requests_of_discord_py_differ_only_in_known_ways() -> None:
    judge = discord_schema()
    assert judge is not None
    assert faults_of(judge) == []


@needs_file
@pytest.mark.parametrize("dropped", schema_differences.DIFFERENCES, ids=lambda one: ".".join(map(str, one.where)))
def test_each_known_difference_is_still_needed(
    dropped: schema_differences.Difference, monkeypatch: pytest.MonkeyPatch
) -> None:
    rest = tuple(one for one in schema_differences.DIFFERENCES if one is not dropped)
    monkeypatch.setattr(schema_differences, "DIFFERENCES", rest)
    assert faults_of(Schema(copy.deepcopy(json.loads(FILE.read_text())))) != []


@needs_file
@pytest.mark.parametrize(
    ("template", "query", "body", "fault"),
    [
        ("/channels/{channel_id}/messages", {}, {"content": "x" * 4001}, "is too long"),
        ("/channels/{channel_id}/messages", {}, {"contents": "x"}, "'contents' was unexpected"),
        ("/channels/{channel_id}/messages", {}, None, "the body is missing"),
        ("/channels/{channel_id}/messages", {"wait": "1"}, {"content": "x"}, "the query has 'wait'"),
        ("/webhooks/{webhook_id}/{webhook_token}", {"wait": "perhaps"}, {"content": "x"}, "wait='perhaps'"),
        ("/channels/{channel_id}/messages", {}, v2(row(button(label="x" * 81))), "[0].components[0].label"),
        ("/no/such/route", {}, None, "has no POST"),
    ],
)
def test_the_schema_names_violations(template: str, query: dict[str, str], body: Any, fault: str) -> None:
    judge = discord_schema()
    assert judge is not None
    assert any(fault in found for found in judge.faults("POST", template, "application/json", body, query))


@pytest.mark.parametrize(
    ("sent", "rule"),
    [
        ({"json": {"content": 5}}, "schema"),
        ({"json": {"content": "x" * 2001}}, "limits"),
        ({"data": b"{", "headers": {"Content-Type": "application/json"}}, "wire"),
        ({"data": b"{}", "headers": {"Content-Type": "text/plain"}}, "wire"),
        ({"data": b"--x\r\n", "headers": {"Content-Type": "multipart/form-data; boundary=x"}}, "wire"),
    ],
)
async def test_violations_are_recorded_and_refused(
    discord: Discord, channel: Channel, sent: dict[str, Any], rule: str
) -> None:
    if rule == "schema" and discord.server.schema is None:
        pytest.skip("the OpenAPI file does not exist")
    headers = {"Authorization": f"Bot {discord.token}"} | sent.pop("headers", {})
    url = f"{discord.url}/channels/{channel.id}/messages"
    async with aiohttp.ClientSession() as session, session.post(url, headers=headers, **sent) as answer:
        assert (answer.status, (await answer.json())["code"]) == (400, 50035)
    assert {one.rule for one in discord.violations} == {rule}
    assert list(discord.world.everything_said()) == []
    discord.violations.clear()


async def test_an_unsupported_route_is_recorded(discord: Discord) -> None:
    async with aiohttp.ClientSession() as session, session.get(discord.url + "/guilds/1/bans") as answer:
        assert answer.status == 400
    assert "does not play" in discord.violations.pop().text


@pytest.mark.parametrize(
    ("allowed", "pings"),
    [
        (None, {"1", "&2", "everyone"}),
        ({"parse": []}, set()),
        ({"parse": ["users"]}, {"1"}),
        ({"parse": ["roles", "everyone"]}, {"&2", "everyone"}),
        ({"parse": [], "users": [1, 5], "roles": ["2"]}, {"1", "&2"}),
    ],
)
def test_who_is_pinged(allowed: dict[str, Any] | None, pings: set[str]) -> None:
    said = v2({"type": 17, "components": [{"type": 10, "content": "<@1> and <@&2>, @everyone"}]})
    assert pinged(said if allowed is None else said | {"allowed_mentions": allowed}) == pings
