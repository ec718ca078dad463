"""The panel of /setup: a private message with a menu for each choice, which Save stores.

The choices that were not saved yet are in memory. After a restart, the panel shows the stored settings again.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import discord
from discord import ui

from bot.domain.money import millicredits
from bot.domain.rules import PicturesAllowed, Privacy
from bot.domain.values import means_nothing
from bot.domain.word_filter import typed_list
from bot.errors import UserError
from bot.jobs.service import JobService
from bot.providers.base import Engine
from bot.providers.operations import Operation
from bot.servers.settings import CREDITS_AT_MOST, CREDITS_RANGE, Servers, require_manager
from bot.servers.setup import PERSON_IMAGES, SERVER_IMAGES, ServerSetup, SetupDraft, merged_words, rebased, suggestions
from bot.text import message, t
from bot.ui.admin import LIMIT_REMOVED_FOR, LIMIT_SET, NOT_A_MEMBER, NOT_LOGGED, log_change
from bot.ui.cards.buttons import OLD_BUTTON
from bot.ui.cards.layout import Words
from bot.ui.cards.server import changes_text, limits_text, period_of, subject_text
from bot.ui.cards.setup import (
    MENU_AT_MOST,
    NO_LIMIT,
    member_period,
    saved_card,
    server_period,
    setup_card,
    typed_amount,
)
from bot.ui.client import Interaction
from bot.ui.components import ServerHandler
from bot.ui.interactions import handle, origin_of, tell
from bot.ui.welcome import StartProblems

DRAFTS_AT_MOST = 500
"""How many panels keep choices that were not saved."""
FORM_SECONDS = 15 * 60
"""Seconds for which a form can be submitted: as long as Discord lets the panel be edited."""
WORDS_LENGTH = 4000

FOR_MANAGERS_ONLY = message(
    "setup.for_managers_only",
    "Setting me up needs the Manage Server permission. You can make images right away with /imagine.",
)
CHOICES_LOST = message(
    "setup.choices_lost", "I was restarted and no longer know what you chose. Check the menus and press Save again."
)
CHANGED_MEANWHILE = message(
    "setup.changed_meanwhile",
    "Somebody else has changed these settings since you opened this. Check the menus, then press Save.",
)
NOT_AN_AMOUNT = message("setup.not_an_amount", "“{typed}” isn't a number of credits. Type a number such as 50.")
_AMOUNT = re.compile(r"\d{1,10}(?:\.\d{1,3})?", re.ASCII)
_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d*)?", re.ASCII)


class SetupPanel:
    """Shows the panel, and applies what its menus, buttons and forms change."""

    def __init__(self, servers: Servers, service: JobService, problems: StartProblems) -> None:
        self._servers = servers
        self._service = service
        self._setup = ServerSetup(servers)
        self._problems = problems
        # The drafts, each with what was set when it was made or last shown.
        self._drafts: OrderedDict[tuple[int, int], tuple[SetupDraft, SetupDraft]] = OrderedDict()
        choices: Mapping[str, Callable[[SetupDraft, Interaction], SetupDraft]] = {
            "channels": lambda draft, pressed: replace(draft, channels=_ids(pressed, _guild(pressed).get_channel)),
            "roles": lambda draft, pressed: replace(draft, roles=_ids(pressed, _guild(pressed).get_role)),
            "person": lambda draft, pressed: replace(draft, person=replace(draft.person, amount=_amount(pressed))),
            "server": lambda draft, pressed: replace(draft, server=replace(draft.server, amount=_amount(pressed))),
            "privacy": lambda draft, pressed: replace(draft, privacy=_privacy(pressed)),
            "pictures": lambda draft, pressed: replace(draft, pictures=_pictures(pressed)),
            "starter": lambda draft, pressed: replace(draft, starter=_chosen(pressed) == ["1"]),
        }
        self.handlers: Mapping[str, ServerHandler] = {
            **{name: self._chooser(choose) for name, choose in choices.items()},
            "setup": self.open,
            "change": self._reopen,
            "amounts": self._ask_amounts,
            "own-words": self._ask_words,
            "save": self._save,
        }

    async def open(self, interaction: Interaction) -> None:
        """Show a new panel privately. Raises UserError if the person may not manage the server."""
        await tell(interaction, self._panel(interaction, self._begin(interaction)))

    async def _reopen(self, interaction: Interaction) -> None:
        """Show the panel in place of what was saved."""
        await interaction.response.edit_message(view=self._panel(interaction, self._begin(interaction)))

    def _chooser(
        self, choose: Callable[[SetupDraft, Interaction], SetupDraft]
    ) -> Callable[[Interaction], Awaitable[None]]:
        async def chosen(interaction: Interaction) -> None:
            await self.change(interaction, lambda draft: choose(draft, interaction))

        return chosen

    async def change(self, interaction: Interaction, change: Callable[[SetupDraft], SetupDraft]) -> None:
        """Change the draft and show it. Raises UserError for an invalid choice."""
        before, clash = self._up_to_date(interaction)
        draft = change(before)
        self._keep(interaction, draft)
        said = [CHANGED_MEANWHILE] if clash else []
        await interaction.response.edit_message(view=self._panel(interaction, draft, *said))

    async def _ask_amounts(self, interaction: Interaction) -> None:
        await interaction.response.send_modal(AmountsForm(self, self._draft(interaction)))

    async def _ask_words(self, interaction: Interaction) -> None:
        await interaction.response.send_modal(WordsForm(self, self._draft(interaction)))

    async def _save(self, interaction: Interaction) -> None:
        origin, guild = origin_of(interaction), _guild(interaction)
        if _key(interaction) not in self._drafts:
            # Never store suggestions that the person may not have seen.
            panel = self._panel(interaction, self._begin(interaction), CHOICES_LOST)
            await interaction.response.edit_message(view=panel)
            return
        draft, clash = self._up_to_date(interaction)
        if clash:
            self._keep(interaction, draft)
            await interaction.response.edit_message(view=self._panel(interaction, draft, CHANGED_MEANWHILE))
            return
        await interaction.response.defer()
        saved = await self._setup.save(origin, draft)
        self._drafts.pop(_key(interaction), None)
        rules = self._servers.rules(guild.id)
        said: list[Words] = list(changes_text(_without_periods(saved.rules)))
        for quota in saved.limits:
            who = subject_text(quota)
            if quota.credits is None:
                said.append(LIMIT_REMOVED_FOR(who=who))
            else:
                said.append(LIMIT_SET(who=who, limits=limits_text(quota, period_of(quota, rules))))
        logged = not said or await log_change(interaction, *said, log_channel=rules.log_channel)
        problems = list(self._problems.of(guild))
        card = saved_card(said, [*problems, *([] if logged else [NOT_LOGGED])])
        await interaction.edit_original_response(view=card)

    # --- drafts -------------------------------------------------------------------------------------------------

    def _begin(self, interaction: Interaction) -> SetupDraft:
        """A new draft for this person, with suggestions where nothing is set."""
        server_id = _managed(interaction)
        draft = self._setup.suggested(server_id, self._service.price_of(self._engine(server_id)))
        self._keep(interaction, draft)
        return draft

    def _draft(self, interaction: Interaction) -> SetupDraft:
        """The person's draft; a new one if it was lost in a restart."""
        _managed(interaction)
        kept = self._drafts.get(_key(interaction))
        return self._begin(interaction) if kept is None else kept[1]

    def _up_to_date(self, interaction: Interaction) -> tuple[SetupDraft, bool]:
        """The person's draft with what others have changed meanwhile, and whether that replaces one of its choices."""
        draft = self._draft(interaction)
        base, _ = self._drafts[_key(interaction)]
        return rebased(base, draft, self._setup.current(_managed(interaction)))

    def _keep(self, interaction: Interaction, draft: SetupDraft) -> None:
        """Keep the draft, which was made from what is set now."""
        self._drafts[_key(interaction)] = self._setup.current(_managed(interaction)), draft
        self._drafts.move_to_end(_key(interaction))
        while len(self._drafts) > DRAFTS_AT_MOST:
            self._drafts.popitem(last=False)

    def _engine(self, server_id: int) -> Engine:
        """The engine whose price the suggestions are made from. Raises UserError if there is none."""
        rules, engines = self._servers.rules(server_id), self._service.engines
        usual = self._service.default_for(Operation.TEXT_TO_IMAGE)
        default = rules.defaults(list(engines), usual).engine
        return self._service.require_engine(default if default in engines else usual)

    def _panel(self, interaction: Interaction, draft: SetupDraft, *problems: Words) -> ui.LayoutView:
        guild = _guild(interaction)
        operator = self._setup.operator
        engine = self._engine(guild.id)
        price = self._service.price(engine.id)

        def exists(id_: int) -> bool:
            return guild.get_channel(id_) is not None or guild.get_role(id_) is not None

        return setup_card(
            draft,
            engine=engine.name,
            image_price=price.high,
            person=suggestions(price, PERSON_IMAGES, most=operator.user_daily),
            server=suggestions(price, SERVER_IMAGES, most=operator.server_monthly),
            exists=exists,
            operator_limits=operator.user_daily is not None or operator.server_monthly is not None,
            problems=problems,
        )


class AmountsForm(ui.Modal):
    """The form for limits that the menus do not offer."""

    def __init__(self, panel: SetupPanel, draft: SetupDraft) -> None:
        super().__init__(title=str(t("Other amounts"))[:45], timeout=FORM_SECONDS)
        self._panel = panel
        self._shown = draft
        self._person = _line(typed_amount(draft.person))
        self._server = _line(typed_amount(draft.server))
        empty = str(t("Credits; empty: no limit"))[:100]
        self.add_item(ui.Label(text=str(member_period(draft))[:45], description=empty, component=self._person))
        self.add_item(ui.Label(text=str(server_period(draft))[:45], description=empty, component=self._server))

    async def on_submit(self, interaction: Interaction, /) -> None:  # type: ignore[override]  # typed for any client
        await handle(interaction, self._sent, doing="form.setup_amounts")

    async def _sent(self, interaction: Interaction) -> None:
        person, server = read_amount(self._person.value), read_amount(self._server.value)

        def changed(draft: SetupDraft) -> SetupDraft:
            # What the person left as it was may have been changed by others since the form was opened.
            if person != self._shown.person.amount:
                draft = replace(draft, person=replace(draft.person, amount=person))
            if server != self._shown.server.amount:
                draft = replace(draft, server=replace(draft.server, amount=server))
            return draft

        await self._panel.change(interaction, changed)


class WordsForm(ui.Modal):
    """The form for the server's own refused words."""

    def __init__(self, panel: SetupPanel, draft: SetupDraft) -> None:
        super().__init__(title=str(t("Own refused words"))[:45], timeout=FORM_SECONDS)
        self._panel = panel
        self._shown = draft.words
        self._words: ui.TextInput[Any] = ui.TextInput(
            style=discord.TextStyle.paragraph,
            default=_typed_words(draft.words) or None,
            placeholder=str(t("ugly, blood*"))[:100],
            required=False,
            max_length=WORDS_LENGTH,
        )
        about = str(t("Separate words with commas; * matches any letters"))[:100]
        self.add_item(ui.Label(text=str(t("Words"))[:45], description=about, component=self._words))

    async def on_submit(self, interaction: Interaction, /) -> None:  # type: ignore[override]  # typed for any client
        await handle(interaction, self._sent, doing="form.setup_words")

    async def _sent(self, interaction: Interaction) -> None:
        typed = self._words.value.strip()
        words = () if not typed or means_nothing(typed) else typed_list(typed)

        def changed(draft: SetupDraft) -> SetupDraft:
            draft = replace(draft, words=merged_words(self._shown, words, draft.words))
            # Raises UserError if there are too many words.
            _ = draft.refused
            return draft

        await self._panel.change(interaction, changed)


def read_amount(typed: str) -> int | None:
    """Typed credits in millicredits; None for no limit. Raises UserError."""
    words = typed.strip()
    if not words or means_nothing(words):
        return None
    number = words.replace(",", "") if _THOUSANDS.fullmatch(words) else words.replace(",", ".")
    if _AMOUNT.fullmatch(number) is None:
        raise UserError(NOT_AN_AMOUNT(typed=words[:20]))
    amount = millicredits(float(Decimal(number)))
    if amount > CREDITS_AT_MOST:
        raise UserError(CREDITS_RANGE(most=CREDITS_AT_MOST))
    return amount


def _guild(interaction: Interaction) -> discord.Guild:
    if interaction.guild is None or interaction.guild.me is None:
        raise UserError(NOT_A_MEMBER)
    return interaction.guild


def _managed(interaction: Interaction) -> int:
    """The server's id. Raises UserError if the person may not manage the server."""
    origin = origin_of(interaction)
    if origin.server_id is not None and not origin.manage_server:
        raise UserError(FOR_MANAGERS_ONLY)
    return require_manager(origin)


def _key(interaction: Interaction) -> tuple[int, int]:
    return interaction.guild_id or 0, interaction.user.id


def _chosen(pressed: Interaction) -> list[str]:
    """The values of the pressed menu. A forged press may have any."""
    data: Mapping[str, Any] = pressed.data or {}
    values = data.get("values")
    return [str(value) for value in values][:MENU_AT_MOST] if isinstance(values, list) else []


def _ids(pressed: Interaction, get: Callable[[int], object | None]) -> tuple[int, ...]:
    """The chosen channels or roles that exist in this server."""
    ids = [int(value) for value in _chosen(pressed) if re.fullmatch(r"[0-9]{1,20}", value)]
    return tuple(dict.fromkeys(id_ for id_ in ids if get(id_) is not None))


def _amount(pressed: Interaction) -> int | None:
    """The chosen limit in millicredits. Raises UserError for a forged one."""
    (value,) = _chosen(pressed) or [""]
    if value == NO_LIMIT:
        return None
    if not re.fullmatch(r"[0-9]{1,15}", value) or int(value) > CREDITS_AT_MOST:
        raise UserError(OLD_BUTTON)
    return int(value)


def _privacy(pressed: Interaction) -> Privacy:
    (value,) = _chosen(pressed) or [""]
    if value not in set(Privacy):
        raise UserError(OLD_BUTTON)
    return Privacy(value)


def _pictures(pressed: Interaction) -> PicturesAllowed:
    (value,) = _chosen(pressed) or [""]
    if value not in set(PicturesAllowed):
        raise UserError(OLD_BUTTON)
    return PicturesAllowed(value)


def _typed_words(words: Sequence[str]) -> str:
    """The words as somebody would type them into the form: without spaces if they would not fit otherwise."""
    spaced = ", ".join(words)
    return spaced if len(spaced) <= WORDS_LENGTH else ",".join(words)[:WORDS_LENGTH]


def _line(value: str | None) -> ui.TextInput[Any]:
    return ui.TextInput(default=value, placeholder=str(t("No limit"))[:100], required=False, max_length=20)


def _without_periods(rules: Mapping[str, Any]) -> dict[str, Any]:
    """The rules without the periods of limits, which the limits name themselves."""
    return {name: value for name, value in rules.items() if name not in {"period", "server_period"}}
