"""The /help card: what the bot does, a menu of subjects, and examples to press; and the text of each subject."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import discord
from discord import ui

from bot.domain.engines import NO_ENGINES
from bot.domain.money import Price
from bot.text import Text, t
from bot.ui.cards.buttons import EXAMPLE, HELP_SUBJECTS
from bot.ui.cards.layout import Card, heading, quiet, rule, text
from bot.ui.cards.wording import plain

Mention: TypeAlias = Callable[[str], str]
"""Turns the name of a command into a clickable mention."""
FOR_ADMINS = "admins"
OVERVIEW = "overview"
"""The value of the menu that leads back to the first card."""


@dataclass(frozen=True, slots=True)
class Example:
    """An image to make by pressing a button. ``title`` is short, because it is the button's label."""

    title: Text
    prompt: str


EXAMPLES: Mapping[str, Example] = {
    "lighthouse": Example(
        t("Lighthouse"), prompt="a lighthouse on a cliff in a storm, huge waves, dramatic light, oil painting"
    ),
    "fox": Example(t("Snow fox"), prompt="a red fox in fresh snow at sunrise, soft golden light, photograph"),
    "city": Example(
        t("Glass city"), prompt="a tiny city under a glass dome, greenhouses and trams, isometric, pastel colours"
    ),
}
"""The examples by the name in their custom ids. They use nothing that only some engines take."""


@dataclass(frozen=True, slots=True)
class Subject:
    """One subject: its commands, a summary, and the lines of its own card.

    In the lines, ``{imagine}`` or ``{thread_new}`` is the mention of a command. Lines of type str are examples to copy;
    they are the same in every language.
    """

    title: Text
    commands: tuple[str, ...]
    about: Text
    lines: tuple[Text | str, ...]


SUBJECTS: Mapping[str, Subject] = {
    "images": Subject(
        t("Making images"),
        ("imagine", "compare", "engines"),
        t("from words, on one engine or on several side by side"),
        (
            t("{imagine} makes images. The message shows progress, then your images."),
            "`/imagine prompt:a lighthouse on a cliff, storm`",
            "`/imagine prompt:a fox in the snow size:16:9 images:2`",
            t("`/imagine prompt:a secret private:True` shows it only to you; `spoiler:True` hides it until clicked"),
            t("{compare} makes the same image on several engines, with the time and price of each."),
            "`/compare prompt:a glass city seed:7`",
            t("{engines} shows what each engine can do and what it costs; pick one to see all its styles and sizes."),
        ),
    ),
    "prompts": Subject(
        t("Writing prompts"),
        ("engines",),
        t("weights, things to leave out, several images from one prompt"),
        (
            t("A prompt can have up to 2,000 characters, and these marks:"),
            t("`a castle::2 fog::0.5` gives parts a weight; a weight below 0 says what to avoid"),
            t("`--no people, text` leaves something out"),
            t("`--ar 16:9`, `--ar wide` or `--size 1024x1024` sets the shape"),
            t("`--images 2` `--style neon-punk` `--engine …` do the same as the fields"),
            t("`--steps 45` `--seed 7` work on engines that take them; {engines} shows which do"),
            t("`a {{red, blue}} car` makes one image of each"),
            t("`\\--no` with a backslash is plain text; so are `\\::`, `\\{{` and `\\}}`"),
            t("Any kind of dash works for `--`."),
            t("If an engine doesn't support something, you find out before anything is charged."),
        ),
    ),
    "results": Subject(
        t("Working with results"),
        (),
        t("the buttons, and the menu of a message"),
        (
            t("**Cancel** drops what has not been sent yet, free of charge."),
            t("**Again** makes the same once more, as your own job."),
            t("**New seed** does the same with a different seed, if the job had a fixed one."),
            t("**Edit prompt** opens the prompt and the settings so you can change them."),
            t("**Edit picture** offers ways to go on from an image: vary, change or extend it, each with its price."),
            t("**Share** shows your private result in the channel."),
            t("**Details** shows everything: settings, seeds, cost, time, sources, and the command to repeat it."),
            t("**Tree**, in the details, shows what a result was made from, and what people made from it."),
            t("**Delete** removes a result for good, with its prompt and settings."),
            t("In a message's menu (right-click or long-press), under Apps: **Use this prompt** and **Details**."),
        ),
    ),
    "pictures": Subject(
        t("Editing pictures"),
        (
            "edit vary",
            "edit words",
            "edit part",
            "edit erase",
            "edit extend",
            "edit sketch",
            "edit structure",
            "edit upscale",
            "edit faces",
            "edit background",
        ),
        t("your images, pictures you attach, and pictures in messages"),
        (
            t("**Edit picture** under a result shows what can be done with it, with prices."),
            t("The same for any picture: **Edit this picture** in a message's menu, under Apps."),
            t("{edit_vary} makes another version: `strength:20` changes little, `strength:80` a lot."),
            t("{edit_words} replaces something: `/edit words find:the car prompt:a bicycle`"),
            t("{edit_part} paints a part again, {edit_erase} removes what is there. You mark it on the picture."),
            t("{edit_extend} makes a picture larger: wider, taller, zoomed out or square."),
            t("{edit_sketch} turns a drawing into a picture. {edit_structure} keeps only the layout."),
            t("{edit_upscale} enlarges, {edit_faces} repairs faces, {edit_background} removes the background."),
            t("Attach a `picture`, or pick one of yours with `image`."),
        ),
    ),
    "threads": Subject(
        t("Threads and history"),
        ("thread new", "thread list", "thread use", "thread show", "thread rename", "thread delete", "history"),
        t("your lines of work, and everything you have made"),
        (
            t("What you make goes into a thread, named after its first prompt."),
            t("After a day without new images, your next one starts a new thread. {thread_new} starts one at once."),
            t("{thread_use} goes back to an older one, {thread_list} lists yours with their cost."),
            t("{thread_show} shows the images of one, {thread_rename} renames it, {thread_delete} deletes it."),
            t("{history} lists everything you have made, anywhere: `/history search:lighthouse`"),
            t("A result that could not be delivered waits there until you ask for it."),
        ),
    ),
    "costs": Subject(
        t("What it costs"),
        ("credits",),
        t("prices, limits, and what you have spent"),
        (
            t("The message shows the price before, during and after a job; an estimate is marked as one."),
            t("Anything that fails, is refused, or is cancelled before it was sent is free."),
            t("{credits} shows what you have spent, what is in flight, and what is left until when."),
            t("`/credits period:last month` or `period:30 days`, `2026-03`, `all time`"),
            t("{settings_set} with `ask_above:10` asks you first when something may cost more than 10 credits."),
            t("Choices in braces and comparisons always ask first."),
        ),
    ),
    "settings": Subject(
        t("Your settings and your data"),
        ("settings show", "settings set", "settings reset", "privacy export", "privacy delete"),
        t("your own defaults, and what is stored about you"),
        (
            t("{settings_show} shows your own engine, size, style and more; change them right there from menus."),
            t("{settings_set} sets several at once: `/settings set style:anime size:16:9`"),
            t("Command options override your settings; your settings override the server's."),
            t("{settings_reset} resets one of them, or all."),
            t("{privacy_export} gives you a file with everything stored about you."),
            t("{privacy_delete} deletes it; it asks first."),
        ),
    ),
    FOR_ADMINS: Subject(
        t("For admins"),
        (
            "usage report",
            "usage user",
            "usage export",
            "usage jobs",
            "quota show",
            "quota set",
            "quota grant",
            "quota clear",
            "server show",
            "server set",
            "server log",
            "server test",
            "setup",
        ),
        t("what a server spends, and its limits (needs Manage Server)"),
        (
            t("{usage_report} shows what everybody has spent, {usage_user} one person, {usage_jobs} what runs now."),
            t("{usage_export} gives you every entry as a table."),
            t("{quota_set} limits credits, images and jobs: for everybody, a role or a person."),
            t("{quota_grant} adds credits for somebody; {quota_show} shows limits and {quota_clear} removes them."),
            t("{server_set} changes this server's rules and defaults; {server_show} shows them."),
            t("{server_log} shows which admin did what."),
            t("{setup} sets channels, roles, limits and refused words in one panel, and makes a test image."),
            t("{server_test} shows what one member can do in a channel, and why not."),
            t("Only the authors of private jobs see their prompts."),
        ),
    ),
}


def example_rest(name: str, price: Price) -> str:
    """The rest of the custom id of an example's button: its name, and the price on its label in millicredits."""
    return f"{name}:{price.high}"


def help_card(mention: Mention, prices: Mapping[str, Price], *, manages: bool) -> Card:
    """What the bot does, a menu of all subjects, and a button for each example with its price.

    ``prices`` are those of the examples, by name; there are none while there is no engine. The subject for admins is
    shown only if the person ``manages`` the server.
    """
    first = t(
        "Type {imagine} and describe what you want to see. You see the price and the progress, then your images.",
        imagine=mention("imagine"),
    )
    pictures = t("Have a picture already? Attach it, or choose **Edit this picture** in a message's menu.")
    then = t("The buttons below a result make it again, change it or share it.")
    about = [
        text(heading(t("Easel makes images from words and pictures")), first, pictures, then),
        _menu(OVERVIEW, manages=manages),
        rule(),
    ]
    if not prices:
        return Card(*about, text(NO_ENGINES))
    return Card(
        *about,
        text(quiet(t("Try one. A button makes its image at once, just like {imagine}.", imagine="/imagine"))),
        ui.ActionRow(
            *(
                EXAMPLE.to(example_rest(name, price), title=EXAMPLES[name].title, price=str(price))
                for name, price in prices.items()
            )
        ),
    )


def subject_card(name: str, mention: Mention, *, manages: bool) -> Card:
    """One subject with examples to copy, and the menu of all subjects."""
    subject = SUBJECTS[name]
    # The menu is in the same place as on the first card, so that it does not jump.
    return Card(text(heading(subject.title), *explained(subject, mention)), _menu(name, manages=manages))


def explained(subject: Subject, mention: Mention) -> Iterator[Text | str]:
    """The lines of a subject, with mentions in place of the names of commands."""
    mentions = {command.replace(" ", "_"): mention(command) for command in (*subject.commands, "settings set")}
    for line in subject.lines:
        yield line if isinstance(line, str) else line.message(**mentions)


def subjects(*, manages: bool) -> Sequence[str]:
    """The names of the subjects for this person; the one for admins only if they manage the server."""
    return [name for name in SUBJECTS if manages or name != FOR_ADMINS]


def _menu(shown: str, *, manages: bool) -> ui.ActionRow[Any]:
    """The menu of the subjects; the one that is ``shown`` is selected."""
    first = t("Choose a subject") if shown == OVERVIEW else t("Overview")
    offered = [
        (OVERVIEW, first, t("what Easel does, and examples to try")),
        *((name, SUBJECTS[name].title, SUBJECTS[name].about) for name in subjects(manages=manages)),
    ]
    options = [
        discord.SelectOption(
            label=plain(str(title), 100), value=name, description=plain(str(about), 100), default=name == shown
        )
        for name, title, about in offered
    ]
    return ui.ActionRow(HELP_SUBJECTS.of(options))
