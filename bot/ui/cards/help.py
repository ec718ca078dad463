"""What one can do here: an overview of all commands, and each subject with examples to copy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from bot.ui.cards.layout import Card, quiet, rule, text

Mention: TypeAlias = Callable[[str], str]
"""Turns a command's name into something to click on."""
FOR_ADMINS = "admins"


@dataclass(frozen=True, slots=True)
class Subject:
    """One subject: its commands, what it is about in a line, and the lines of its own card.

    In the lines, ``{imagine}`` and the like stand for commands to click on.
    """

    title: str
    commands: tuple[str, ...]
    about: str
    lines: tuple[str, ...]


SUBJECTS: Mapping[str, Subject] = {
    "pictures": Subject(
        "Making pictures",
        ("imagine", "compare", "engines"),
        "from words, on one engine or on several side by side",
        (
            "{imagine} makes pictures. A card follows the work until they stand in its place.",
            "`/imagine prompt:a lighthouse on a cliff, storm`",
            "`/imagine prompt:a fox in the snow size:16:9 images:2`",
            "`/imagine prompt:a secret private:True` shows it to you alone; `spoiler:True` hides it until clicked",
            "{compare} makes the same picture on several engines, with time and price of each.",
            "`/compare prompt:a glass city seed:7`",
            "{engines} says what each engine takes and costs; name one to see all its styles and sizes.",
        ),
    ),
    "prompts": Subject(
        "Writing prompts",
        (),
        "weights, things to leave out, several pictures of one prompt",
        (
            "Up to 2,000 characters, and these marks in it:",
            "`a castle::2 fog::0.5` gives parts a weight; below 0 says what to avoid",
            "`--no people, text` leaves something out",
            "`--ar 16:9` or `--size 1024x1024` sets the shape",
            "`--images 2` `--style neon-punk` `--steps 45` `--seed 7` `--engine …` say what the fields say",
            "`a {red, blue} car` makes a picture of each",
            "`\\--no` with a backslash is plain text, and so are `\\::`, `\\{` and `\\}`",
            "Any kind of dash does for `--`.",
            "What an engine does not take is refused by name before anything is paid for.",
        ),
    ),
    "results": Subject(
        "Working with results",
        (),
        "the buttons, and the menu of a message",
        (
            "**Cancel** drops what has not been sent yet; that is free.",
            "**Again** makes the same once more, as the job of whoever presses it.",
            "**New seed** does so with another seed, where one was fixed.",
            "**Edit** opens the prompt and the settings to change them.",
            "**Share** shows your private result in the channel.",
            "**Details** shows everything: settings, seeds, cost, time, what it was made from, and the line to type.",
            "**Delete** takes a result away for good, with its prompt and settings.",
            "In the menu of a message (right click, or press long), under Apps: **Use this prompt** and **Details**.",
        ),
    ),
    "threads": Subject(
        "Threads and history",
        (
            "thread new",
            "thread list",
            "thread use",
            "thread show",
            "thread rename",
            "thread delete",
            "history",
        ),
        "your lines of work, and all that you have made",
        (
            "What you make belongs to a thread, which is called like its first prompt.",
            "{thread new} begins another, {thread use} goes on with one, {thread list} lists yours with their cost.",
            "{thread show} shows the pictures of one, {thread rename} and {thread delete} do what they say.",
            "{history} lists what you have made, wherever it was: `/history search:lighthouse`",
            "What could not be shown in time is kept there until you ask for it.",
        ),
    ),
    "costs": Subject(
        "What it costs",
        ("credits",),
        "prices, limits, and what you have spent",
        (
            "The price stands on the card before, during and after a job; what is only an estimate says so.",
            "What fails, is refused, or is cancelled before it was sent costs nothing.",
            "{credits} shows what you have spent, what is in flight, and what is left until when.",
            "`/credits period:last month` or `period:30 days`, `2026-03`, `all time`",
            "{settings set} with `ask_above:10` asks you first when something may cost more than 10 credits.",
            "Choices in braces and comparisons always ask first.",
        ),
    ),
    "settings": Subject(
        "Your settings and your data",
        ("settings show", "settings set", "settings reset", "privacy export", "privacy delete"),
        "what you need not type each time, and what is stored on you",
        (
            "{settings set} sets your own engine, size, style and more: `/settings set style:anime size:16:9`",
            "What you type counts more than your settings, and these count more than the server's.",
            "{settings show} shows them, {settings reset} forgets them.",
            "{privacy export} gives you a file of all that is stored on you.",
            "{privacy delete} deletes it, after asking.",
        ),
    ),
    FOR_ADMINS: Subject(
        "For admins",
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
        ),
        "what a server spends, and its limits (needs Manage Server)",
        (
            "{usage report} shows what everybody has spent, {usage user} one person, {usage jobs} what runs now.",
            "{usage export} gives you every entry as a table.",
            "{quota set} limits credits, pictures and jobs: for everybody, a role or a person.",
            "{quota grant} gives somebody credits beside their limit; {quota show} and {quota clear} show and clear.",
            "{server set} says what is allowed here and what is used where nothing is typed; {server show} shows it.",
            "{server log} shows which admin did what.",
            "Nobody sees the prompts of private jobs but their authors.",
        ),
    ),
}


def help_card(mention: Mention, *, manages: bool) -> Card:
    """All subjects with their commands; those for admins where the person ``manages`` the server."""
    listed = []
    for name, subject in SUBJECTS.items():
        offered = manages or name != FOR_ADMINS
        commands = " ".join(mention(command) for command in subject.commands) if offered else ""
        listed.append(text(f"**{subject.title}**: {subject.about}", commands or f"-# /help about:{name}"))
    return Card(
        text(
            "**Easel makes pictures from words.**",
            f"Type {mention('imagine')} with a prompt such as *a lighthouse on a cliff*.",
        ),
        rule(),
        *listed,
        rule(),
        text(quiet(f"{mention('help')} with a subject explains it, with examples: {', '.join(SUBJECTS)}.")),
    )


def subject_card(name: str, mention: Mention, *, manages: bool) -> Card:
    """One subject with examples to copy."""
    subject = SUBJECTS[name]
    if name == FOR_ADMINS and not manages:
        mention = _plainly
    return Card(
        text(f"**{subject.title}**"), rule(), text(*(_clickable(line, subject, mention) for line in subject.lines))
    )


def _plainly(command: str) -> str:
    # What somebody is not offered cannot be clicked on.
    return f"`/{command}`"


def _clickable(line: str, subject: Subject, mention: Mention) -> str:
    for command in (*subject.commands, "settings set"):
        line = line.replace(f"{{{command}}}", mention(command))
    return line
