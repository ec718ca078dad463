"""The card of /server test: what one member may do in a channel, and why not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bot.domain.rules import Rules
from bot.jobs.limits import (
    GRANTS_TOO_SMALL,
    TOO_EXPENSIVE,
    TOO_MANY_FREE,
    TOO_MANY_IMAGES,
    TOO_MANY_JOBS_HERE,
    LimitKind,
)
from bot.servers.access import Access
from bot.servers.settings import MemberLimits
from bot.text import Message, message, t
from bot.ui.cards.layout import Card, Words, quiet, rule, text, within
from bot.ui.cards.server import IMAGES_A_JOB, UNFINISHED, UNFINISHED_OF, value_text
from bot.ui.cards.usage import EXTRA, left_text, person
from bot.ui.cards.wording import safe

YES, NO = "✅", "❌"

CAN = message("access.can", "**{person} can make images in {channel}**")
CANNOT = message("access.cannot", "**{person} can't make images in {channel}**")
CHANNEL_FINE = message("access.channel_fine", "Channel: allowed")
CHANNEL_WRONG = message("access.channel_wrong", "Channel: not allowed. Allowed: {channels}")
ROLES_FINE = message("access.roles_fine", "Roles: {roles}")
ROLES_WRONG = message("access.roles_wrong", "Roles: none of {roles}")
ENGINES = message("access.engines", "Engines: {count} of {all}, {engine} by default")
ENGINE_WRONG = message("access.engine_wrong", "Engine: {engine}. They would read:")
NO_LIMIT_ON_CREDITS = message("access.no_limit", "Limits: no limit on credits in this server")
OPERATOR_LIMIT = message("access.operator_limit", "The bot operator's limit is used up, for them or for everyone")
MAY_USE = message("access.may_use", "Discord: can see this channel and use commands")
MAY_NOT_USE = message(
    "access.may_not_use", "Discord: they need {permissions} in this channel. Change that in the channel's settings"
)
I_MAY = message("access.i_may", "My permissions: complete")
I_MAY_NOT = message("access.i_may_not", "My permissions: I need {permissions} in this channel")
SETTINGS_OF_COMMANDS = message(
    "access.settings_of_commands",
    "Server Settings > Integrations can hide commands from members too. I can't see that.",
)


def access_card(
    user_id: int,
    channel_id: int,
    access: Access,
    member: MemberLimits,
    rules: Rules,
    *,
    in_channel: bool,
    has_role: bool,
    engines: int,
    default: str,
    lacks: Sequence[Message],
    bot_lacks: Sequence[Message],
) -> Card:
    """What this member may do in the channel.

    ``in_channel`` and ``has_role`` say whether the rules allow the channel and one of their roles. ``engines`` is the
    number of the bot's engines, ``default`` the name of the one that they use by default. ``lacks`` are the
    permissions that Discord does not give them here, ``bot_lacks`` those that the bot needs.
    """
    possible = access.open and not lacks and not bot_lacks
    head = (CAN if possible else CANNOT)(person=person(user_id), channel=f"<#{channel_id}>")
    roles = ROLES_FINE if has_role else ROLES_WRONG
    channels, named = value_text("channels", rules.channels, 300), safe(default, 80)
    engine_text = ENGINES(count=len(access.offered), all=engines, engine=named)
    lines: list[str] = [
        tick(MAY_NOT_USE(permissions=list(lacks)) if lacks else MAY_USE, fine=not lacks),
        tick(CHANNEL_FINE if in_channel else CHANNEL_WRONG(channels=channels), fine=in_channel),
        tick(roles(roles=value_text("roles", rules.roles, 300)), fine=has_role),
        tick(ENGINE_WRONG(engine=named) if access.engine else engine_text, fine=not access.engine),
        *quoted(access.engine),
        *_limits(access, member),
        tick(I_MAY_NOT(permissions=list(bot_lacks)) if bot_lacks else I_MAY, fine=not bot_lacks),
    ]
    return Card(text(head), text(*within(lines, 3400)), rule(), text(quiet(SETTINGS_OF_COMMANDS)))


def _limits(access: Access, member: MemberLimits) -> list[str]:
    """The server's limits with their use. Those that an image would exceed are marked."""
    reached = {problem.code for problem in access.limits}
    most, unfinished = member.limits.server_jobs, member.unfinished
    lines = []
    for use in member.uses:
        kind = use.limit.kind
        names = {
            (TOO_EXPENSIVE | TOO_MANY_FREE)[kind].code,
            *([GRANTS_TOO_SMALL.code] if kind is LimitKind.SERVER_USER else []),
        }
        lines.append(tick(left_text(use), fine=not names & reached))
    if not member.limits.of(LimitKind.SERVER_USER, LimitKind.SERVER):
        lines.append(tick(NO_LIMIT_ON_CREDITS))
    if member.grants.given:
        lines.append(tick(EXTRA(left=member.grants.left, given=member.grants.given)))
    if member.limits.images is not None:
        lines.append(tick(IMAGES_A_JOB(images=member.limits.images), fine=TOO_MANY_IMAGES.code not in reached))
    jobs = UNFINISHED(jobs=unfinished) if most is None else UNFINISHED_OF(jobs=unfinished, most=most)
    lines.append(tick(jobs, fine=TOO_MANY_JOBS_HERE.code not in reached))
    if access.operators:
        # A server's manager must not learn what the person did in other servers.
        lines.append(tick(OPERATOR_LIMIT, fine=False))
    return lines


def tick(words: Words, *, fine: bool = True) -> str:
    """A line with a mark that shows whether something is fine."""
    return str(t("{mark} {words}", mark=YES if fine else NO, words=words))


def quoted(problems: Iterable[Words]) -> list[str]:
    """The problems as another person reads them, in small print."""
    return [quiet(safe(str(problem), 500)) for problem in problems]
