"""The /help cards: an overview of all commands, and a card for each subject with examples to copy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from bot.text import Text, t
from bot.ui.cards.layout import Card, heading, quiet, rule, text

Mention: TypeAlias = Callable[[str], str]
"""Turns the name of a command into a clickable mention."""
FOR_ADMINS = "admins"


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
        (),
        t("weights, things to leave out, several images from one prompt"),
        (
            t("A prompt can have up to 2,000 characters, and these marks:"),
            t("`a castle::2 fog::0.5` gives parts a weight; a weight below 0 says what to avoid"),
            t("`--no people, text` leaves something out"),
            t("`--ar 16:9` or `--size 1024x1024` sets the shape"),
            t("`--images 2` `--style neon-punk` `--steps 45` `--seed 7` `--engine …` do the same as the fields"),
            t("`a {{red, blue}} car` makes one image of each"),
            t("`\\--no` with a backslash is plain text; so are `\\::`, `\\{{` and `\\}}`"),
            t("Any kind of dash works for `--`."),
            t("If an engine does not support something, you are told before anything is paid for."),
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
            t("**Edit** opens the prompt and the settings so you can change them."),
            t("**Share** shows your private result in the channel."),
            t("**Details** shows everything: settings, seeds, cost, time, sources, and the command to repeat it."),
            t("**Delete** removes a result for good, with its prompt and settings."),
            t("In a message's menu (right-click or long-press), under Apps: **Use this prompt** and **Details**."),
        ),
    ),
    "threads": Subject(
        t("Threads and history"),
        ("thread new", "thread list", "thread use", "thread show", "thread rename", "thread delete", "history"),
        t("your lines of work, and everything you have made"),
        (
            t("What you make goes into a thread, named after its first prompt."),
            t("{thread_new} starts another one, {thread_use} switches, {thread_list} lists yours with their cost."),
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
            t("{settings_set} sets your own engine, size, style and more: `/settings set style:anime size:16:9`"),
            t("Command options override your settings; your settings override the server's."),
            t("{settings_show} shows them, {settings_reset} resets them."),
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


def help_card(mention: Mention, *, manages: bool) -> Card:
    """All subjects with their commands. Subjects for admins are shown only if the person ``manages`` the server."""
    listed = []
    for name, subject in SUBJECTS.items():
        offered = manages or name != FOR_ADMINS
        commands = " ".join(mention(command) for command in subject.commands) if offered else ""
        listed.append(text(f"{heading(subject.title)}: {subject.about}", commands or quiet(f"/help about:{name}")))
    example = t("Type {imagine} with a prompt such as *a lighthouse on a cliff*.", imagine=mention("imagine"))
    more = t(
        "{help} with a subject explains it, with examples: {subjects}.", help=mention("help"), subjects=[*SUBJECTS]
    )
    return Card(
        text(heading(t("Easel makes images from words.")), example),
        rule(),
        *listed,
        rule(),
        text(quiet(more)),
    )


def subject_card(name: str, mention: Mention, *, manages: bool) -> Card:
    """One subject with examples to copy. Commands that the person may not use are not clickable."""
    subject = SUBJECTS[name]
    shown = mention if manages or name != FOR_ADMINS else "`/{}`".format
    return Card(text(heading(subject.title)), rule(), text(*explained(subject, shown)))


def explained(subject: Subject, mention: Mention) -> Iterator[Text | str]:
    """The lines of a subject, with mentions in place of the names of commands."""
    mentions = {command.replace(" ", "_"): mention(command) for command in (*subject.commands, "settings set")}
    for line in subject.lines:
        yield line if isinstance(line, str) else line.message(**mentions)
