"""The route by which a bot answers an interaction."""

from __future__ import annotations

from fakes.discord.command_limits import choice_faults
from fakes.discord.constants import Answer, Json, Kind, MessageFlag
from fakes.discord.errors import already_acknowledged, unknown_interaction
from fakes.discord.message_limits import modal_faults
from fakes.discord.messages import UnsoundMessageError, edit, post, thinking
from fakes.discord.model import Interaction, World
from fakes.discord.payloads import message_json
from fakes.discord.requests import Call, Reply
from fakes.discord.routes import route

_ALLOWED = {
    Kind.COMMAND: {Answer.MESSAGE, Answer.DEFERRED, Answer.MODAL},
    Kind.COMPONENT: {Answer.MESSAGE, Answer.DEFERRED, Answer.DEFERRED_UPDATE, Answer.UPDATE, Answer.MODAL},
    Kind.AUTOCOMPLETE: {Answer.CHOICES},
    Kind.MODAL: {Answer.MESSAGE, Answer.DEFERRED, Answer.DEFERRED_UPDATE, Answer.UPDATE},
}
_NEEDS_MESSAGE = {Answer.DEFERRED_UPDATE, Answer.UPDATE}


@route("POST", "/interactions/{interaction_id}/{interaction_token}/callback", by_token=True)
def answer_interaction(world: World, call: Call) -> Reply:
    interaction = world.interactions.get(call.number("interaction_id"))
    if interaction is None or interaction.token != call.params["interaction_token"]:
        raise unknown_interaction()
    if interaction.late or interaction.over:
        raise unknown_interaction()
    if interaction.answer is not None:
        raise already_acknowledged()
    answer = Answer(call.payload["type"])
    if answer not in _ALLOWED[interaction.kind]:
        raise UnsoundMessageError([f"a {interaction.kind.name} may not be answered with {answer.name}"])
    if answer in _NEEDS_MESSAGE and interaction.message is None:
        raise UnsoundMessageError([f"{answer.name} where there is no message to update"])
    _ANSWERS[answer](world, interaction, call, call.payload.get("data") or {})
    interaction.answer = answer
    world.changes.notify()
    if call.query.get("with_response") not in {"1", "true"}:
        return Reply(204)
    return Reply(json=_response(interaction, answer))


def _response(interaction: Interaction, answer: Answer) -> Json:
    about: Json = {"id": str(interaction.id), "type": int(interaction.kind)}
    made: Json = {"interaction": about}
    message = interaction.original
    if message is not None:
        about |= {
            "response_message_id": str(message.id),
            "response_message_loading": message.loading,
            "response_message_ephemeral": message.only_for is not None,
        }
        if answer in {Answer.MESSAGE, Answer.UPDATE}:
            made["resource"] = {"type": int(answer), "message": message_json(message)}
    return made


def _message(world: World, interaction: Interaction, call: Call, data: Json) -> None:
    private = MessageFlag.EPHEMERAL in MessageFlag(data.get("flags") or 0)
    interaction.original = post(
        world,
        interaction.channel,
        call,
        data,
        file_limit=interaction.file_limit,
        only_for=interaction.user if private else None,
        interaction=interaction,
    )


def _deferred(world: World, interaction: Interaction, call: Call, data: Json) -> None:
    flags = MessageFlag(data.get("flags") or 0)
    if set(data) - {"flags"} or flags & ~MessageFlag.EPHEMERAL:
        raise UnsoundMessageError(["a deferred answer takes the ephemeral flag and nothing else"])
    interaction.original = thinking(world, interaction, only_for=interaction.user if flags else None)


def _deferred_update(world: World, interaction: Interaction, call: Call, data: Json) -> None:
    interaction.original = interaction.message


def _update(world: World, interaction: Interaction, call: Call, data: Json) -> None:
    assert interaction.message is not None
    edit(world, interaction.message, call, data, file_limit=interaction.file_limit, drop_files=True)
    interaction.original = interaction.message


def _choices(world: World, interaction: Interaction, call: Call, data: Json) -> None:
    choices = data.get("choices") or []
    if faults := choice_faults(choices, focused_type(interaction.data)):
        raise UnsoundMessageError(faults)
    interaction.choices = choices


def _modal(world: World, interaction: Interaction, call: Call, data: Json) -> None:
    if faults := modal_faults(data):
        raise UnsoundMessageError(faults)
    interaction.modal = data


_ANSWERS = {
    Answer.MESSAGE: _message,
    Answer.DEFERRED: _deferred,
    Answer.DEFERRED_UPDATE: _deferred_update,
    Answer.UPDATE: _update,
    Answer.CHOICES: _choices,
    Answer.MODAL: _modal,
}


def focused_type(data: Json) -> int:
    """The type of the option that the user is typing."""
    for option in data.get("options", ()):
        if option.get("focused"):
            return int(option["type"])
        if "options" in option:
            return focused_type(option)
    return 3
