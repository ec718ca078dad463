"""The cards of /server and /quota: a server's rules, its limits, and the log of changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from discord import ui

from bot.domain.periods import Period
from bot.domain.rules import PicturesAllowed, Privacy, Rules
from bot.jobs.limits import LimitKind, Limits
from bot.servers.settings import MemberLimits
from bot.text import Message, Text, message, plural, t
from bot.ui.cards.layout import Card, Words, quiet, rule, text, warning, within
from bot.ui.cards.usage import EXTRA, left_text, person
from bot.ui.cards.wording import IMAGES, moment, safe, units
from storage.settings import AdminAct, Quota, Subject

_MENTION_AT_MOST = 26
_MORE_AT_MOST = 20

NOTHING_MISSING = message("server.nothing_missing", "Nothing is missing: I can post images in every allowed channel.")
NO_CHANGES = message("server.no_changes", "No changes yet.")
OLDEST_SHOWN = message("server.oldest_shown", "Oldest shown: #{id:plain}. Use before:{id:plain} for older changes.")
CHANGE = message("server.change", "{rule}: {value}")
RULE = message("server.rule", "**{rule}**: {value}")
NO_QUOTAS = message("quota.none", "No limits are set: only the bot operator's limits apply.")
NO_QUOTA = message("quota.no_limit", "no limit")
QUOTA = message("quota.line", "{who}: {limits}")
NOTHING_LIMITED = message("quota.member_unlimited", "{used:credits} used {period}, no limit")
MEMBER_TITLE = message("quota.member_title", "**{person}'s limits here**")
RESETS = message("quota.resets", "Resets {when}")
IMAGES_A_JOB = message("quota.images_a_job", "Images a job: {images}")
FREE_IMAGES = message("quota.free_images", "{count} free image {each}", "{count} free images {each}")
UNFINISHED = message("quota.unfinished", "Running jobs: {jobs}")
UNFINISHED_OF = message("quota.unfinished_of", "Running jobs: {jobs} of {most}")

TITLES: Mapping[str, Message] = {
    "period": message("rule.period", "Limits reset every"),
    "server_period": message("rule.server_period", "The whole server's limit resets every"),
    "channels": message("rule.channels", "Channels"),
    "roles": message("rule.roles", "Roles"),
    "engines": message("rule.engines", "Engines"),
    "engine": message("rule.engine", "Default engine"),
    "size": message("rule.size", "Default size"),
    "privacy": message("rule.privacy", "Private results"),
    "pictures": message("rule.pictures", "Pictures to start from"),
    "log_channel": message("rule.log_channel", "Log channel"),
    "refused": message("rule.refused", "Refused words"),
    "restricted": message("rule.restricted", "Words for age-restricted channels"),
}
_NONE = message("rule.none", "none")
_UNSET: Mapping[str, Message] = {
    "server_period": message("rule.same_period", "the same"),
    "channels": message("rule.all_channels", "all"),
    "roles": message("rule.all_roles", "all members"),
    "engines": message("rule.all_engines", "all"),
    "engine": message("rule.bot_default", "the bot's default"),
    "size": message("rule.engine_default", "the engine's default"),
}
PRIVACY: Mapping[Privacy, Message] = {
    Privacy.FREE: message("privacy.free", "each member decides"),
    Privacy.FORCED: message("privacy.forced", "always private"),
    Privacy.FORBIDDEN: message("privacy.forbidden", "never private"),
}
PICTURES: Mapping[PicturesAllowed, Message] = {
    PicturesAllowed.NOBODYS: message("pictures_allowed.nobodys", "nobody's"),
    PicturesAllowed.RESULTS: message("pictures_allowed.results", "only images that I made"),
    PicturesAllowed.ANYBODYS: message("pictures_allowed.anybodys", "anybody's"),
}
PERIODS: Mapping[Period, Message] = {
    Period.DAY: message("period.day", "day"),
    Period.WEEK: message("period.week", "week"),
    Period.MONTH: message("period.month", "month"),
}
_NAMED: Mapping[str, Mapping[Any, Message]] = {
    "privacy": PRIVACY,
    "pictures": PICTURES,
    "period": PERIODS,
    "server_period": PERIODS,
}
_EVERY = {
    Period.DAY: message("period.every_day", "every day"),
    Period.WEEK: message("period.every_monday", "every Monday"),
    Period.MONTH: message("period.every_first", "on the first of every month"),
}
_SETS_RULES = {"server set", "setup"}
"""The commands whose changes are rules, unless they name the subject of a limit."""
_SUBJECTS = {
    Subject.SERVER: message("quota.server", "**The whole server**"),
    Subject.DEFAULT: message("quota.default", "**Each member**"),
}


# --- rules --------------------------------------------------------------------------------------------------------


def rules_card(rules: Rules, missing: Iterable[Words]) -> Card:
    """The rules of a server, and the problems of its setup."""
    values = {name: getattr(rules, name) for name in TITLES}
    if rules.server_period is None:
        # The line for members says it.
        del values["server_period"]
    lines = [str(RULE(rule=TITLES[name], value=value_text(name, value, 400))) for name, value in values.items()]
    problems = [warning(problem) for problem in missing]
    return Card(
        text(t("**Rules of this server**")),
        text(*within(lines, 2400)),
        rule(),
        text(*within(problems or [str(NOTHING_MISSING)], 1200)),
    )


def changes_text(changes: Mapping[str, Any], limit: int = 600) -> list[str]:
    """Rules with their values, one line each."""
    return [
        str(CHANGE(rule=TITLES.get(name, safe(name, 40)), value=value_text(name, value, limit)))
        for name, value in changes.items()
    ]


def value_text(name: str, value: Any, limit: int = 600) -> str:
    """A rule's value in words, at most ``limit`` characters long."""
    if value is None or value in ((), []):
        return str(_UNSET.get(name, _NONE))
    if name in {"channels", "log_channel", "roles"}:
        every = value if isinstance(value, list | tuple) else [value]
        shown = [f"<{'@&' if name == 'roles' else '#'}{each}>" for each in every[: limit // _MENTION_AT_MOST]]
        return _and_more(shown, len(every) - len(shown))
    for known, names in _NAMED.items():
        if name == known and value in names:
            return str(names[value])
    return _listed(value, limit) if isinstance(value, list | tuple) else safe(str(value), limit)


def _listed(values: Sequence[Any], limit: int) -> str:
    """As many of the values as fit, and the number of omitted ones."""
    shown: list[str] = []
    room = limit - _MORE_AT_MOST
    for value in values:
        words = safe(str(value), limit - _MORE_AT_MOST)
        room -= units(words) + 2
        if room < 0 and shown:
            break
        shown.append(words)
    return _and_more(shown, len(values) - len(shown))


def _and_more(shown: Sequence[str], more: int) -> str:
    words = ", ".join(shown)
    return str(t("{words} and {more} more", words=words, more=more)) if more else words


# --- limits -------------------------------------------------------------------------------------------------------


def quotas_card(quotas: list[Quota], rules: Rules, operator: Limits) -> Card:
    """All limits of a server."""
    limited = [(subject_text(quota), limits_text(quota, period_of(quota, rules))) for quota in quotas]
    lines = [str(QUOTA(who=who, limits=limits)) for who, limits in limited]
    head = t("**Limits in this server**, reset {every} at 00:00 UTC", every=_EVERY[rules.period])
    if rules.period_of_server is not rules.period:
        head = t(
            "**Limits in this server**. Members' limits reset {every}, the server's {server_every}, at 00:00 UTC",
            every=_EVERY[rules.period],
            server_every=_EVERY[rules.period_of_server],
        )
    return Card(
        text(head),
        text(*within(lines or [str(NO_QUOTAS)], 3000)),
        *_operators(operator),
        text(
            quiet(t("A member's own limit counts first, then the highest of their roles, then the one for everyone.")),
            quiet(t("Extra credits are used when the limit is used up; they don't expire.")),
        ),
    )


def member_card(user_id: int, member: MemberLimits) -> Card:
    """The limits of one member of a server, and how much of them is left."""
    limits, period = member.limits, member.period.this
    resets = moment(member.renews_at)
    lines: list[Words] = []
    if not any(use.limit.kind is LimitKind.SERVER_USER for use in member.uses):
        lines += [NOTHING_LIMITED(used=member.spent, period=period), RESETS(when=resets)]
    for use in member.uses:
        lines.append(left_text(use))
    if member.grants.given:
        lines.append(EXTRA(left=member.grants.left, given=member.grants.given))
    if limits.images is not None:
        lines.append(IMAGES_A_JOB(images=limits.images))
    most = limits.server_jobs
    lines.append(
        UNFINISHED(jobs=member.unfinished) if most is None else UNFINISHED_OF(jobs=member.unfinished, most=most)
    )
    return Card(text(MEMBER_TITLE(person=person(user_id))), text(*lines))


def subject_text(quota: Quota) -> Words:
    """The subject of a limit in words."""
    if quota.subject is Subject.ROLE:
        return f"<@&{quota.subject_id}>"
    return person(quota.subject_id) if quota.subject is Subject.USER else _SUBJECTS[quota.subject]


def period_of(quota: Quota, rules: Rules) -> Period:
    """How often the credits of a quota reset."""
    return rules.period_of_server if quota.subject is Subject.SERVER else rules.period


def limits_text(quota: Quota, period: Period) -> str:
    """The limits of a quota."""
    parts: list[Words] = []
    if quota.credits is not None:
        parts.append(t("{credits:credits} {each}", credits=quota.credits, each=period.each))
    if quota.free_images is not None:
        parts.append(FREE_IMAGES(count=quota.free_images, each=period.each))
    if quota.images is not None:
        parts.append(_images(quota.images))
    if quota.jobs is not None:
        parts.append(_jobs(quota.jobs))
    return ", ".join(map(str, parts or [NO_QUOTA]))


def _images(images: int) -> Text:
    return t("{images} a job", images=IMAGES(count=images))


def _jobs(jobs: int) -> Text:
    return plural("{count} running job at a time", "{count} running jobs at a time", jobs)


def _operators(limits: Limits) -> list[ui.Item[Any]]:
    jobs = plural("{count} running job per person", "{count} running jobs per person", limits.jobs_per_user)
    lines: list[Words] = [jobs]
    if limits.user_daily is not None:
        lines.append(t("{credits:credits} per person per day", credits=limits.user_daily))
    if limits.server_monthly is not None:
        lines.append(t("{credits:credits} per server per month", credits=limits.server_monthly))
    if limits.bot_daily is not None:
        lines.append(t("{credits:credits} per day for everyone together", credits=limits.bot_daily))
    if limits.free_images is not None:
        lines.append(
            plural(
                "{count} image per person per day with free engines",
                "{count} images per person per day with free engines",
                limits.free_images,
            )
        )
    return [rule(), text(t("**The bot operator's limits** also apply"), *lines)]


# --- the log ------------------------------------------------------------------------------------------------------


def log_card(acts: list[AdminAct], *, more: bool) -> Card:
    """The log of admins' changes, newest first. ``more``: there are older ones."""
    lines = [f"{moment(act.at, 'f')} {person(act.user_id)} · **/{safe(act.what, 40)}** {_details(act)}" for act in acts]
    card = [text(t("**Changes by admins**")), text(*within(lines or [str(NO_CHANGES)], 3400))]
    if more:
        card.append(text(quiet(OLDEST_SHOWN(id=acts[-1].id))))
    return Card(*card)


def _details(act: AdminAct) -> str:
    details = dict(act.details)
    if act.what in _SETS_RULES and "subject" not in details:
        return "; ".join(changes_text(details, 150))
    subject, subject_id = details.pop("subject", ""), details.pop("id", "")
    parts: list[Words] = []
    if str(subject_id).isdecimal():
        parts.append(f"<@&{subject_id}>" if subject == Subject.ROLE else person(int(subject_id)))
    elif subject:
        parts.append(_SUBJECTS[Subject.SERVER if subject == Subject.SERVER else Subject.DEFAULT])
    parts += [_detail(name, value) for name, value in details.items() if value is not None]
    return ", ".join(map(str, parts))


def _detail(name: str, value: Any) -> Words:
    match name:
        case "credits":
            return t("{credits:credits} at most", credits=value)
        case "removed":
            return t("no limit on credits")
        case "free_images":
            return plural("{count} free image at most", "{count} free images at most", value)
        case "images":
            return _images(value)
        case "jobs":
            return _jobs(value)
        case "amount":
            return t("{credits:credits}", credits=value)
        case "job":
            return t("job {number:plain}", number=value)
        case "period":
            return t("reset every {period}", period=value_text(name, value, 40))
        case "server_period":
            return t("the whole server's limit resets every {period}", period=value_text("period", value, 40))
        case "note":
            return t("“{note}”", note=safe(value, 200))
        case _:
            return f"{safe(name, 40)} {safe(str(value), 200)}"
