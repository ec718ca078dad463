"""How a person is told what went wrong: the same for commands, buttons and whatever else can be pressed."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, TypeAlias

import aiohttp
import discord
import structlog
from discord import app_commands

from bot.errors import STORAGE_FAILS, UserError
from bot.ui.cards.layout import WARM, Card, notice, refusal
from storage.errors import StorageError

if TYPE_CHECKING:
    from bot.ui.client import Easel

log = structlog.get_logger(__name__)

Press: TypeAlias = "discord.Interaction[Easel]"
"""A command that was typed or a button that was pressed, as it comes to this bot."""

UNKNOWN_INTERACTION = 10062

# No answer is taken any more: it is too late, somebody answered already (it may have been an earlier try of ours), the
# thread was archived meanwhile, or the interaction's token is over. None of it is a fault, and nobody can be told.
_NO_ANSWER_TAKEN = frozenset({UNKNOWN_INTERACTION, 40060, 50083, 10015, 50027})
_NOBODY_LISTENS = _NO_ANSWER_TAKEN | {10008}


async def tell(interaction: Press, card: discord.ui.LayoutView) -> None:
    """Show this to the one who asked, and to nobody else."""
    if interaction.response.is_done():
        await interaction.followup.send(view=card, ephemeral=True)
    else:
        await interaction.response.send_message(view=card, ephemeral=True)


async def explain(interaction: Press, error: BaseException, *, doing: str, job_id: int | None = None) -> None:
    """Say what went wrong: a UserError in its own sentences, anything else as an apology with an id for the log.

    ``doing`` names what was asked for in the log. Never raises: there is nobody to tell if this fails as well.
    """
    cause = error.original if isinstance(error, app_commands.CommandInvokeError) else error
    if isinstance(cause, discord.HTTPException) and cause.code in _NO_ANSWER_TAKEN:
        log.warning("interaction.answer_not_taken", doing=doing, job=job_id, status=cause.status, code=cause.code)
        return
    if isinstance(cause, UserError):
        card = refusal(cause.problems)
    elif isinstance(cause, StorageError):
        log.error("interaction.storage_failed", doing=doing, job=job_id, reason=str(cause))
        card = notice(STORAGE_FAILS, accent=WARM)
    elif isinstance(cause, app_commands.CheckFailure | app_commands.CommandNotFound | app_commands.TransformerError):
        log.warning("interaction.refused", doing=doing, kind=type(cause).__name__)
        card = notice("That cannot be done here, or this command has changed. Type it anew.", accent=WARM)
    else:
        number = secrets.token_hex(4)
        log.error("interaction.failed", doing=doing, job=job_id, error_id=number, exc_info=cause)
        card = apology(number, job_id)
    try:
        await tell(interaction, card)
    except discord.HTTPException as failure:
        if failure.code not in _NOBODY_LISTENS:
            log.warning("interaction.not_answered", doing=doing, status=failure.status, code=failure.code)
    except (aiohttp.ClientError, OSError) as failure:
        log.warning("interaction.not_answered", doing=doing, kind=type(failure).__name__)


def apology(number: str, job_id: int | None) -> Card:
    """What people see of a fault of ours: enough to report it, nothing of what is inside."""
    about = f" with job {job_id}" if job_id is not None else ""
    return notice(
        f"Sorry, something went wrong on our side{about}.",
        f"It has been noted under the number {number}; tell it to whoever runs this bot if it happens again.",
        accent=WARM,
    )
