"""What the operator should know or still has to do. ``doctor`` prints all findings; ``run`` logs some of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import structlog

from bot.config import Settings
from bot.domain.money import converted
from bot.providers.base import Provider
from bot.text import Text, message

log = structlog.get_logger(__name__)

IMAGES_A_DAY = 40
"""The suggested limit of the whole bot, in images of the default engine."""

NO_LIMIT = message(
    "to_do.no_limit",
    "Nothing limits what people spend. Set at least one of USER_DAILY_CREDITS, SERVER_MONTHLY_CREDITS and "
    "BOT_DAILY_CREDITS.",
)
SUGGESTED_LIMIT = message(
    "to_do.suggested_limit",
    "{problem} BOT_DAILY_CREDITS={credits:plain} is about {images} images a day with {engine}.",
)
ANYBODY_MAY_ADD = message(
    "to_do.anybody_may_add",
    "Anybody can add the bot to a server and make images at your expense. In the developer portal, set Install Link to "
    "None under Installation, then switch off Public Bot under Bot. Or set ALLOWED_GUILDS to the ids of your servers; "
    "ALLOWED_GUILDS=all means that every server may use it.",
)
ENDPOINT_SET = message(
    "to_do.endpoint_set",
    "In the developer portal, under General Information, clear Interactions Endpoint URL, or no command arrives here.",
)
CODE_GRANT = message(
    "to_do.code_grant",
    "In the developer portal, under Bot, switch off Requires OAuth2 Code Grant, or nobody can invite the bot.",
)


class Level(StrEnum):
    """How much a finding matters."""

    FINE = "fine"
    NOTE = "note"
    """The operator should know about it, but need not act."""
    TO_DO = "TO DO"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check: its subject, and what is fine or what to do."""

    subject: str
    text: Text
    level: Level = Level.FINE

    def __str__(self) -> str:
        return f"{self.level:<5}  {self.subject}: {self.text}"


def spending_problem(settings: Settings, providers: Mapping[str, Provider]) -> Text | None:
    """What to do if image services charge and none of the three limits is set; None otherwise."""
    limits = (settings.user_daily_credits, settings.server_monthly_credits, settings.bot_daily_credits)
    charging = [provider for provider in providers.values() if provider.charges]
    if settings.demo_provider or not charging or any(limit is not None for limit in limits):
        return None
    engines = {engine.id: (engine, provider) for provider in charging for engine in provider.engines}
    if not engines:
        return NO_LIMIT()
    engine, provider = engines.get(settings.default_engine or "") or next(iter(engines.values()))
    if engine.price is None:
        return NO_LIMIT()
    price = converted(engine.price.high, provider.credit_value) * IMAGES_A_DAY
    return SUGGESTED_LIMIT(
        problem=NO_LIMIT(), credits=max(1, -(-price // 1000)), images=IMAGES_A_DAY, engine=engine.name
    )


def application_problems(settings: Settings, *, public: bool, endpoint: str | None, code_grant: bool) -> Iterator[Text]:
    """What to change in the application at Discord: settings that keep the bot from working or let anybody add it.

    ``public``: whether anybody may add the bot. ``endpoint``: where Discord sends the interactions instead of here.
    ``code_grant``: whether an invitation needs an OAuth2 code grant.
    """
    if endpoint:
        yield ENDPOINT_SET()
    if code_grant:
        yield CODE_GRANT()
    if public and not settings.allowed_guilds and not settings.open_to_all:
        yield ANYBODY_MAY_ADD()


class ApplicationInfo(Protocol):
    """The application at Discord, as the library returns it."""

    bot_public: bool
    bot_require_code_grant: bool
    interactions_endpoint_url: str | None


def log_problems(settings: Settings, providers: Mapping[str, Provider], info: ApplicationInfo | None) -> None:
    """Log a warning for each problem with spending and with the application. ``info`` is None if it is unknown."""
    found = [spending_problem(settings, providers)]
    if info is not None:
        found += application_problems(
            settings,
            public=info.bot_public,
            endpoint=info.interactions_endpoint_url,
            code_grant=info.bot_require_code_grant,
        )
    for text in filter(None, found):
        log.warning("to_do", code=text.code, text=str(text))
