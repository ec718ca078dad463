"""/help: the cards of its menu, and the examples that make an image when their button is pressed."""

from __future__ import annotations

import re
from collections.abc import Callable

from bot.domain.money import Price
from bot.errors import UserError
from bot.jobs.service import JobService
from bot.servers.settings import require_manager
from bot.ui.attached_files import Sheet
from bot.ui.cards.buttons import OLD_LIST
from bot.ui.cards.help import EXAMPLES, FOR_ADMINS, OVERVIEW, SUBJECTS, help_card, subject_card
from bot.ui.cards.layout import Card
from bot.ui.client import Interaction
from bot.ui.interactions import origin_of
from bot.ui.job_starter import JobStarter


class HelpPages:
    """Shows the cards of /help and starts its examples. ``mention`` turns a command's name into a mention."""

    def __init__(self, service: JobService, starter: JobStarter, mention: Callable[[str], str]) -> None:
        self._service = service
        self._starter = starter
        self._mention = mention

    def card(self, interaction: Interaction, about: str = OVERVIEW) -> Card:
        """The card of a subject, or the first card. Makes no I/O.

        Raises UserError if there is no such subject, or if it is for admins and the person is none.
        """
        origin = origin_of(interaction)
        if about == OVERVIEW:
            found = {name: self._price(interaction, each.prompt) for name, each in EXAMPLES.items()}
            prices = {name: price for name, price in found.items() if price is not None}
            return help_card(self._mention, prices, manages=origin.manage_server)
        if about not in SUBJECTS:
            raise UserError(OLD_LIST)
        if about == FOR_ADMINS:
            require_manager(origin)
        return subject_card(about, self._mention, manages=origin.manage_server)

    async def chosen(self, interaction: Interaction, _rest: str, about: str) -> Sheet:
        """The card that was chosen from the menu."""
        return Sheet(self.card(interaction, about))

    async def example(self, interaction: Interaction, rest: str) -> None:
        """Make an example's image, exactly as /imagine would make it. Raises UserError like it.


        ``rest`` is from :func:`~bot.ui.cards.help.example_rest`. If the image costs more by now, its price must be
        confirmed.
        """
        match = re.fullmatch(r"(?P<name>[a-z]{1,20})(?::(?P<price>[0-9]{1,15}))?", rest)
        if match is None or match["name"] not in EXAMPLES:
            raise UserError(OLD_LIST)
        named_price = None if match["price"] is None else int(match["price"])
        options = self._service.example(origin_of(interaction), EXAMPLES[match["name"]].prompt)
        await self._starter.run(interaction, options, named_price=named_price)

    def _price(self, interaction: Interaction, prompt: str) -> Price | None:
        """The price of an example here and now, or of one image of the default engine if it would be refused.

        None if there is no engine.
        """
        origin, service = origin_of(interaction), self._service
        try:
            return service.cost(service.check(origin, service.example(origin, prompt)))
        except UserError:
            default = service.engine_by_default(origin)
            return service.price(default) if default in service.all_engines else None
