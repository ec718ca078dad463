"""The panel of /settings: its menus, its buttons and its form. It changes the settings of the person who uses it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import discord
from discord import ui

from bot.domain.prompt.parser import ADDED_AT_MOST
from bot.errors import UserError
from bot.jobs.service import JobService
from bot.people.user_settings import UserSettingsStore
from bot.text import t
from bot.ui.attached_files import Sheet, answer_later, fill
from bot.ui.cards.buttons import OLD_LIST
from bot.ui.cards.layout import WARM, Card
from bot.ui.cards.settings import ROWS, SettingsView, chosen_value, reset_question, settings_card
from bot.ui.cards.wording import safe
from bot.ui.client import Interaction
from bot.ui.forms import FORM_SECONDS, FormOffer
from bot.ui.interactions import handle, origin_of, tell


class SettingsPanel:
    """Shows and changes a person's settings in one private message."""

    def __init__(self, personal: UserSettingsStore, service: JobService) -> None:
        self._personal = personal
        self._service = service

    def card(self, interaction: Interaction, *, changed: Collection[str] = ()) -> Card:
        """The panel for the person of the interaction. ``changed`` names the settings just changed. Makes no I/O."""
        return settings_card(self._view(interaction, changed))

    async def chosen(self, interaction: Interaction, name: str, value: str) -> Sheet:
        """Store what was chosen from the menu of a setting. Raises UserError if it is no longer possible."""
        if name not in ROWS:
            raise UserError(OLD_LIST)
        try:
            wanted = chosen_value(name, self._view(interaction), value)
            return Sheet(await self._changed(interaction, name, wanted))
        except UserError:
            # Otherwise the menu would go on showing the refused choice.
            await fill(interaction, Sheet(self.card(interaction)))
            raise

    async def shown(self, interaction: Interaction, _page: int, _rest: str) -> Sheet:
        """The panel, in place of the question whether to reset everything."""
        return Sheet(self.card(interaction))

    async def asked_to_reset(self, _interaction: Interaction, _page: int, _rest: str) -> Sheet:
        """The question whether to reset everything."""
        return Sheet(reset_question())

    async def reset(self, interaction: Interaction, _page: int, _rest: str) -> Sheet:
        """Clear all settings."""
        await self._personal.reset(interaction.user.id)
        return Sheet(self.card(interaction, changed=tuple(ROWS)))

    async def open_text(self, interaction: Interaction, _rest: str) -> None:
        """Open the form for the text that is added to every prompt."""
        await interaction.response.send_modal(_TextForm(self, self._personal.of(interaction.user.id).text or ""))

    async def set_text(self, interaction: Interaction, words: str) -> None:
        """Store the text that is added to every prompt; without any text, clear it. Raises UserError."""
        await answer_later(interaction)
        await fill(interaction, Sheet(await self._changed(interaction, "text", words.strip() or None)))

    async def _changed(self, interaction: Interaction, name: str, value: Any) -> Card:
        user_id = interaction.user.id
        if value is None:
            await self._personal.reset(user_id, (name,))
        else:
            await self._personal.set(user_id, {name: value})
        return self.card(interaction, changed=(name,))

    def _view(self, interaction: Interaction, changed: Collection[str] = ()) -> SettingsView:
        personal, service = self._personal, self._service
        settings = personal.of(interaction.user.id)
        return SettingsView(
            settings,
            engines=service.engines,
            engine=service.all_engines.get(service.engine_by_default(origin_of(interaction))),
            misfits=tuple(personal.misfits(settings)),
            changed=changed,
        )


class _TextForm(ui.Modal):
    """The form for the text that is added to every prompt."""

    job_id = None

    def __init__(self, panel: SettingsPanel, words: str) -> None:
        super().__init__(title=str(t("Text for every prompt"))[:45], timeout=FORM_SECONDS)
        self._panel = panel
        self._typed = words
        self._words: ui.TextInput[Any] = ui.TextInput(
            style=discord.TextStyle.paragraph,
            default=words or None,
            placeholder=str(t("in the style of an old postcard"))[:100],
            required=False,
            max_length=ADDED_AT_MOST,
        )
        self.add_item(
            ui.Label(
                text=str(t("Words to add"))[:45],
                description=str(t("Leave it empty to add nothing."))[:100],
                component=self._words,
            )
        )

    async def on_submit(self, interaction: Interaction, /) -> None:  # type: ignore[override]  # typed for any client
        await handle(interaction, self._sent, doing="form.settings_text")

    async def _sent(self, interaction: Interaction) -> None:
        self._typed = self._words.value
        try:
            await self._panel.set_text(interaction, self._typed)
        except UserError as error:
            problems = [safe(str(problem), 1000) for problem in error.problems]
            await tell(interaction, FormOffer(problems, self.copy(), label=t("Edit again"), accent=WARM))

    def copy(self) -> _TextForm:
        """A new form with the same text, because a form can be submitted only once."""
        return _TextForm(self._panel, self._typed)
