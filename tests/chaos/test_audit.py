"""The audit of a chaos run detects every kind of violation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bot.ui.cards.layout import RESULT
from bot.ui.delivery.notifier import READY, READY_PRIVATELY
from chaos.audit import Booked, Books, Table, count
from chaos.run import Ending, Run, Size
from chaos.users import AI_CLIENT, CORE, Ask
from fakes.discord.constants import NO_FLAG, Answer, Kind, MessageFlag
from fakes.discord.handle import Handle
from fakes.discord.loopback import Discord
from fakes.discord.model import Body, Interaction, Message
from fakes.services import Bill, Call, Upload

EDIT = "aithriving/edit"
PRICES = {AI_CLIENT: 5000, CORE: 6000, EDIT: 8000}
ROUTES = {AI_CLIENT: "ai-client.entry", CORE: "aithriving.core", EDIT: "aithriving.search_and_replace"}
PICTURE = Upload("source.jpg", "image/jpeg", 100, "digest")


class Story:
    """A successful run, written by hand; each test changes something in it."""

    def __init__(self) -> None:
        self.discord = Discord()
        self.channel = self.discord.guild("Studio").channel("pictures")
        self.asks: list[Ask] = []
        self.calls: list[Call] = []
        self.bills: list[Bill] = []
        self.books = Books()
        self.ending = Ending(0, 0, "")
        self.unfinished: set[int] = set()
        self.jobs = 3
        for engine in PRICES:
            self.ask(engine)
            self.pay(len(self.asks))
            self.say(self.asks[-1].handle.interaction.original, picture=len(self.asks))

    def ask(self, engine: str) -> None:
        number, person = len(self.asks) + 1, self.discord.user("ada")
        asked = Interaction(number, f"token {number}", Kind.COMMAND, person.user, self.channel, {}, 1)
        asked.answer = Answer.DEFERRED
        asked.original = self.message(MessageFlag.LOADING)
        handle = Handle(self.discord.world, asked)
        self.asks.append(Ask(number, person, self.channel, engine, 1, private=False, handle=handle))

    def message(self, flags: MessageFlag = NO_FLAG) -> Message:
        world = self.discord.world
        made = Message(world.ids.next(), self.channel, world.bot, [Body("", (), (), (), flags)])
        self.channel.messages[made.id] = made
        return made

    def say(self, message: Message | None, *, picture: int | None = None, words: str = "") -> None:
        assert message is not None
        parts: list[dict[str, Any]] = [{"type": 2, "style": 2, "label": "Details", "custom_id": "x"}]
        if picture is not None:
            item = {"media": {"url": "attachment://x.png"}, "description": prompt(picture)}
            parts.append({"type": 12, "items": [item]})
        card = {"type": 17, "id": RESULT, "components": parts}
        message.history.append(Body(words, (), (card,), (), NO_FLAG))

    def call(self, number: int, *, accepted: bool = True, status: int = 200) -> None:
        route = ROUTES[self.asks[number - 1].engine]
        body: dict[str, Any] = {"prompt": prompt(number)}
        files = {"image": PICTURE} if route == ROUTES[EDIT] else {}
        count = len(self.calls)
        self.calls.append(Call(count, route, "POST", "/", body, {}, accepted=accepted, status=status, files=files))

    def bill(self, number: int) -> None:
        engine = self.asks[number - 1].engine
        self.bills.append(Bill(engine.partition("/")[0], engine, PRICES[engine], 1, "x", prompt(number), 0))

    def pay(self, number: int) -> None:
        self.call(number)
        self.bill(number)
        its = self.books.of[number]
        its.captured = its.raw = PRICES[self.asks[number - 1].engine]
        its.ended.append("done")

    def pays_twice(self) -> None:
        """Simulate a first command that was sent again though it was not lost, with the second bill in the books."""
        self.call(1)
        self.bill(1)
        self.ending.noted.charged_twice.append(self.asks[0])
        self.books.of[1].beyond = PRICES[AI_CLIENT]

    def fails(self, number: int) -> None:
        """Simulate a failure: the card says that there is no result."""
        original = self.asks[number - 1].handle.interaction.original
        assert original is not None
        del original.history[1:]
        self.say(original, words=prompt(number))

    def told(self) -> Table:
        services = SimpleNamespace(
            calls=self.calls,
            bills=self.bills,
            a1111=SimpleNamespace(unfinished=self.unfinished),
            calls_to=lambda route: [call for call in self.calls if call.route == route],
        )
        run = SimpleNamespace(
            crowd=SimpleNamespace(asks=self.asks),
            discord=self.discord,
            services=services,
            killer=SimpleNamespace(kills=1),
            size=Size(self.jobs, 1, 1),
        )
        return count(cast("Run", run), self.ending, self.books, ())


def prompt(number: int) -> str:
    return f"a paper kite with the number {number:05d}"


def wrong(table: Table) -> list[str]:
    return [row.words for row in table.rows if not row.right]


def test_a_successful_run_passes() -> None:
    assert wrong(Story().told()) == []


def shown_twice(story: Story) -> None:
    story.say(story.message(), picture=1)


def lost_while_working(story: Story) -> None:
    original = story.asks[1].handle.interaction.original
    assert original is not None
    original.history.pop()


def sent_twice(story: Story) -> None:
    story.call(1)


def called_twice(story: Story) -> None:
    story.call(2, accepted=False)


def edited_twice(story: Story) -> None:
    story.call(3, accepted=False)


def edit_nobody_asked(story: Story) -> None:
    body: dict[str, Any] = {"prompt": "a paper kite"}
    story.calls.append(Call(9, "aithriving.sdv3.image_to_image", "POST", "/", body, {}, accepted=True, status=200))


def sent_with_a_place(story: Story) -> None:
    story.calls[-1].files = {"image": replace(PICTURE, metadata=("exif",))}


def shown_with_a_place(story: Story) -> None:
    story.ending.places.append("sent to Discord: 1.png")


def picture_of_nobody(story: Story) -> None:
    story.ending.strays.append("s0123.png")


def picture_gone(story: Story) -> None:
    story.ending.missing.append("s0123.png")


def too_large_once(story: Story) -> None:
    story.ask(EDIT)
    story.call(4, accepted=False, status=413)
    story.fails(4)


def sent_before_a_confirmation(story: Story) -> None:
    story.asks[1].asks_first = True


def charged_for_a_failure(story: Story) -> None:
    story.fails(2)


def billed_twice(story: Story) -> None:
    story.bill(2)


def booked_too_much(story: Story) -> None:
    story.books.of[1].raw += 1
    story.books.of[1].unknown.append(AI_CLIENT)


def ai_client_billed_twice(story: Story) -> None:
    story.bill(1)


def charged_twice_and_not_named(story: Story) -> None:
    story.pays_twice()
    story.books.of[1].beyond = 0


def picture_deleted(story: Story) -> None:
    story.books.of[1].gone = 1


def job_deleted(story: Story) -> None:
    story.books.of[1].ended.clear()


def given_up_too_early(story: Story) -> None:
    story.books.of[1] = Booked(unknown=[AI_CLIENT], ended=["unknown"])
    story.fails(1)


def given_up_by_nobody(story: Story) -> None:
    given_up_too_early(story)
    story.books.of[1].cancelled = 1


def given_up_though_it_was_not_the_cancelling(story: Story) -> None:
    given_up_too_early(story)
    story.asks[0].cancelled = True


def sent_again_and_again(story: Story) -> None:
    for _ in range(2):
        story.call(1, accepted=False)


def failed_without_being_sent(story: Story) -> None:
    story.ask(CORE)
    story.fails(4)


def shared_twice(story: Story) -> None:
    story.asks[1].private = story.asks[1].shared = True
    story.asks[1].handle.interaction.original = None
    for _ in range(2):
        story.say(story.message(), picture=2)


def shown_to_all(story: Story) -> None:
    story.asks[1].private = True


def notified_twice(story: Story) -> None:
    for _ in range(2):
        message = story.message()
        words = str(READY(count=1, user=story.asks[0].person.id, url="https://discord.com/channels/1/2/3"))
        message.history.append(Body(words, (), (), (), NO_FLAG))


def notified_in_public(story: Story) -> None:
    words = str(READY_PRIVATELY(count=1, user=story.asks[0].person.id, channel=story.channel.id))
    story.message().history.append(Body(words, (), (), (), NO_FLAG))


def answered_late(story: Story) -> None:
    story.ending.noted.unanswered.append("ada's thread")


def held_up(story: Story) -> None:
    story.ending.noted.unconcerned += story.asks
    story.ending.noted.shown_after.update({story.asks[0]: 2.0, story.asks[1]: 122.0, story.asks[2]: 2.0})


def never_shown(story: Story) -> None:
    story.ending.noted.unconcerned += story.asks
    story.ending.noted.shown_after[story.asks[0]] = 2.0


def rested(story: Story) -> None:
    story.ending.rests.append("provider.rests provider=aithriving")


def left_behind(story: Story) -> None:
    story.ending.aside.append("1-0-0.abcd.part")


def nobody_asked(story: Story) -> None:
    story.asks.pop()
    story.jobs = 2


def too_few(story: Story) -> None:
    story.jobs = 4


def books_differ(story: Story) -> None:
    story.ending = Ending(0, 1, "")


def still_held(story: Story) -> None:
    story.books.held = 1


def still_open(story: Story) -> None:
    story.books.open.append("job 1 (working)")


def it_crashed_at_the_end(story: Story) -> None:
    story.ending = Ending(1, 0, "")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (shown_twice, "shown twice"),
        (lost_while_working, "lost"),
        (sent_twice, "ai-client submits above one a submission"),
        (called_twice, "aithriving calls above one a submission"),
        (edited_twice, "aithriving calls above one a submission"),
        (edit_nobody_asked, "requests that nobody asked for"),
        (sent_with_a_place, "uploads with metadata"),
        (shown_with_a_place, "files that say where a photo was taken"),
        (picture_of_nobody, "files of the last life that no record owns"),
        (picture_gone, "files that are gone though a record owns them"),
        (too_large_once, "given up, though nothing was sent"),
        (sent_before_a_confirmation, "requests before a confirmation"),
        (charged_for_a_failure, "charged but neither shown nor in the history"),
        (billed_twice, "difference beyond the unknown outcomes, commands"),
        (booked_too_much, "difference beyond the unknown outcomes, commands"),
        (ai_client_billed_twice, "difference beyond the unknown outcomes, commands"),
        (charged_twice_and_not_named, "second bills that reconcile does not name"),
        (picture_deleted, "jobs or pictures of today that were deleted for their age"),
        (job_deleted, "jobs or pictures of today that were deleted for their age"),
        (given_up_too_early, "given up, though ai-client finished it"),
        (given_up_by_nobody, "given up, though ai-client finished it"),
        (given_up_though_it_was_not_the_cancelling, "given up, though ai-client finished it"),
        (sent_again_and_again, "ai-client requests above two a submission"),
        (failed_without_being_sent, "given up, though nothing was sent"),
        (shared_twice, "shared twice"),
        (shown_to_all, "private results shown to all, which nobody shared"),
        (notified_twice, "notified twice"),
        (notified_in_public, "notifications of private results that others see"),
        (answered_late, "no first answer in the last life within three seconds"),
        (held_up, "unconcerned in the last life, and held up or failed"),
        (never_shown, "unconcerned in the last life, and held up or failed"),
        (rested, "rests of a service in the last life"),
        (left_behind, "files begun and left behind"),
        (nobody_asked, "requests that nobody asked for"),
        (too_few, "answered less than was to be"),
        (books_differ, "exit status of reconcile"),
        (still_held, "open holds, millicredits"),
        (still_open, "jobs that are not over"),
        (it_crashed_at_the_end, "exit status of the bot when asked to stop"),
    ],
)
def test_every_violation_is_detected(spoil: Callable[[Story], None], words: str) -> None:
    story = Story()
    spoil(story)
    assert words in wrong(story.told())


def test_a_bill_for_an_unknown_outcome_is_listed_and_is_no_difference() -> None:
    story = Story()
    story.books.of[2] = Booked(unknown=[CORE])
    story.fails(2)
    table = story.told()
    assert wrong(table) == []
    assert [note for note in table.notes if note.startswith("billed, but unknown: number 2")]


def test_a_private_result_may_be_shared_once_and_a_cancelled_command_may_stay_unsent() -> None:
    story = Story()
    shared = story.asks[1]
    shared.private = shared.shared = True
    original = shared.handle.interaction.original
    assert original is not None
    original.only_for = shared.person.user
    story.say(story.message(), picture=2)
    story.ask(CORE)
    story.fails(4)
    story.asks[3].cancelled = True
    assert wrong(story.told()) == []


def test_an_upload_that_was_too_large_twice_may_be_given_up() -> None:
    story = Story()
    too_large_once(story)
    story.call(4, accepted=False, status=413)
    assert wrong(story.told()) == []


def test_a_panel_of_a_result_is_no_second_delivery() -> None:
    story = Story()
    panel = story.message()
    item = {"media": {"url": "attachment://x.jpg"}, "description": prompt(1)}
    button = {"type": 2, "style": 2, "label": "Original file", "custom_id": "picture:original:1-1"}
    parts = ({"type": 17, "id": RESULT, "components": [{"type": 12, "items": [item]}, button]},)
    panel.history.append(Body("", (), parts, (), NO_FLAG))
    assert wrong(story.told()) == []


def test_a_sent_request_that_its_author_cancelled_was_not_given_up() -> None:
    story = Story()
    given_up_by_nobody(story)
    story.asks[0].cancelled = True
    table = story.told()
    assert wrong(table) == []
    assert [note for note in table.notes if note.startswith("billed, but unknown: number 1 ")]


def test_a_history_list_does_not_count_as_a_second_delivery() -> None:
    story = Story()
    listed = story.message()
    listed.interaction = story.asks[0].handle.interaction
    listed.interaction.data["name"] = "history"
    story.say(listed, picture=1)
    assert wrong(story.told()) == []


def test_an_unavoidable_second_bill_is_reported() -> None:
    story = Story()
    story.pays_twice()
    assert wrong(story.told()) == []
