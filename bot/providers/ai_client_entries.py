"""Derives the result of a submission from the entries of its ai-client thread. Pure: decoded JSON in, a result out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from bot.providers.answers import (
    Dimensions,
    Fault,
    Flag,
    Lenient,
    Millicredits,
    Name,
    Percent,
    Whole,
    fault,
    name,
    percent,
)
from bot.providers.base import Cost, Failed, Finished, GeneratedImage, Gone, Handle, Json, PollResult, Waiting
from bot.providers.errors import Reason, Refused
from bot.providers.refusals import Judge
from bot.providers.stable_diffusion import MOST_IMAGES

_KINDS = frozenset({"request", "response"})
_GUID = r"^[0-9A-Za-z_-]{1,64}$"
# How services call the states of their work, without case and marks between the words. All others are unknown.
_ENDED = frozenset("completed complete done finished success successful succeeded".split())
_RUNNING = frozenset(
    "accepted created generating inprogress pending processing progress queued rendering running started starting"
    " submitted waiting".split()
)
_FAILED = frozenset("aborted banned canceled cancelled error errored failed failure rejected timedout timeout".split())
_IMAGE_LISTS = ("images", "data", "results", "output")


class Opened(Lenient):
    """A new thread or entry. Only its guid is used. The guid is validated, because it becomes part of a path."""

    guid: Annotated[str, BeforeValidator(name), Field(pattern=_GUID)]

    @classmethod
    def read(cls, value: Json) -> Self | None:
        try:
            return cls.model_validate(value)
        except ValidationError:
            return None


class Ticket(BaseModel):
    """The handle of a submission: the guids of the thread and (once known) the request entry, and the image count."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    thread: str = Field(pattern=_GUID)
    request: str | None = Field(default=None, pattern=_GUID)
    images: int = Field(default=MOST_IMAGES, ge=1)

    def handle(self) -> Handle:
        made: Handle = self.model_dump(exclude_defaults=True)
        return made


def read_ticket(handle: Handle) -> Ticket:
    """Parse a handle. Raises Refused if this provider did not make it."""
    try:
        return Ticket.model_validate(handle)
    except ValidationError:
        raise Refused(Reason.BAD_HANDLE, detail="a handle that ai-client did not make") from None


class Item(Lenient):
    """One image in a response."""

    url: Name = None
    dimensions: Dimensions = None
    filesize: Whole = None
    seed: Whole = None
    finish_reason: Name = None

    def image(self) -> GeneratedImage | None:
        if self.url is None:
            return None
        return GeneratedImage(
            url=self.url,
            seed=self.seed,
            filtered="filter" in (self.finish_reason or "").lower(),
            size=self.dimensions,
            expected_bytes=self.filesize if self.filesize and self.filesize > 0 else None,
        )


class Entry(Lenient):
    """A request or a response in a thread. ``waiting_response`` is None if the service does not report it."""

    guid: Name = None
    thread_guid: Name = None
    type: Name = None
    error: Fault = None
    content: Any = None
    waiting_response: Flag = None
    credits: Millicredits = None
    progress_told: Annotated[Percent, Field(alias="percent")] = None

    @property
    def waiting(self) -> bool:
        return self.waiting_response is True

    @property
    def images(self) -> tuple[GeneratedImage, ...]:
        """The images that have a URL, without duplicates."""
        found = (item.image() for item in _items(self.content))
        return tuple({image.url: image for image in found if image is not None}.values())

    @property
    def progress(self) -> int | None:
        """The progress in percent, if the entry or its content reports it."""
        if self.progress_told is not None:
            return self.progress_told
        return percent(self.content.get("percent")) if isinstance(self.content, dict) else None

    @property
    def state(self) -> str | None:
        """The state in a response's content, as the service writes it; None if there is none, or if it has ended."""
        told = name(self.content.get("state")) if isinstance(self.content, dict) else None
        return None if told is None or _plain(told) in _ENDED else told

    @property
    def running(self) -> bool:
        """Whether the state in the content says that it is not finished."""
        return self.state is not None and _plain(self.state) in _RUNNING

    @property
    def problem(self) -> str | None:
        """The error of the entry, or of its content."""
        return self.error or (fault(self.content.get("error")) if isinstance(self.content, dict) else None)


def _plain(state: str) -> str:
    return "".join(filter(str.isalpha, state.casefold()))


def is_whole_list(value: Json, thread: str) -> bool:
    """Return whether this is certainly the complete list of this thread's entries.

    Only then does a missing entry prove anything. The list may be empty. It may be wrapped in an object whose only key
    is ``data``. Every element must be a request or a response. A message instead of a list, null, or an odd element may
    come from a service that is shutting down or starting up.
    """
    if isinstance(value, dict) and value.keys() == {"data"}:
        value = value["data"]
    if isinstance(value, dict) and value and all(key.isdecimal() for key in value):
        value = list(value.values())  # PHP encodes some lists like this.
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        return False
    entries = [Entry.model_validate(one) for one in value]
    return all(entry.type in _KINDS and _is_of(entry, thread) for entry in entries)


def read_entries(value: Json, thread: str) -> list[Entry]:
    """Parse the thread's entries from a list, or from an object with numeric keys. Everything else is ignored."""
    if isinstance(value, dict):
        value = [value] if "type" in value else list(value.values())
    found = [Entry.model_validate(one) for one in value if isinstance(one, dict)] if isinstance(value, list) else []
    return [entry for entry in found if _is_of(entry, thread)]


def _is_of(entry: Entry, thread: str) -> bool:
    return entry.thread_guid is None or entry.thread_guid.casefold() == thread.casefold()


def own_request(entries: Sequence[Entry], guid: str | None) -> Entry | None:
    """The request entry with this guid, or else the last one: each thread belongs to one submission."""
    requests = _of_type(entries, "request")
    named = [entry for entry in requests if entry.guid == guid] or requests
    return named[-1] if named else None


def result_of(entries: Sequence[Entry], ticket: Ticket, *, judge: Judge, guess: int) -> PollResult:
    """The result of the submission. ``guess`` is millicredits per image, used if the response has no cost.

    A thread has two requests if the first one arrived late, after the bot had sent it again. Both belong to this
    submission. The user gets the images of one and pays for one. The cost of the other is reported separately.
    """
    requests, responses = _of_type(entries, "request"), _of_type(entries, "response")
    own = own_request(entries, ticket.request)
    groups = _answers(entries)
    result: PollResult
    if groups is None or own is None:
        together = _standing(requests, responses, ticket.images, judge, guess)
        result = _shared(together, requests, responses) if requests else _without_request(together)
    else:
        mine = next(place for place, (request, _) in enumerate(groups) if request is own)
        # The submission's own response counts. If there is none, the response to an earlier duplicate is used.
        order = [groups[mine], *groups[:mine], *groups[mine + 1 :]]
        results = [_standing([request], answers, ticket.images, judge, guess) for request, answers in order]
        result = _best(results)
    charged = sum(response.credits or 0 for response in responses if not response.waiting)
    if isinstance(result, Finished):
        return replace(result, beyond=max(0, charged - result.cost.millicredits) if len(requests) > 1 else 0)
    return result if isinstance(result, Gone) else replace(result, charged=charged)


def _of_type(entries: Sequence[Entry], kind: str) -> list[Entry]:
    return [entry for entry in entries if entry.type == kind]


def _answers(entries: Sequence[Entry]) -> list[tuple[Entry, list[Entry]]] | None:
    """Group each request with its responses: those after it, up to the next request. None if that is ambiguous.

    If a thread has only one request, all responses belong to it, in any order.
    """
    requests = _of_type(entries, "request")
    if len(requests) == 1:
        return [(requests[0], _of_type(entries, "response"))]
    groups: list[tuple[Entry, list[Entry]]] = []
    for entry in entries:
        if entry.type == "request":
            groups.append((entry, []))
        elif entry.type == "response":
            if not groups:
                return None
            groups[-1][1].append(entry)
    numbers = {len(answers) for _, answers in groups}
    # Two responses in a row and a request without one: the service stored both requests before it responded.
    return None if 0 in numbers and max(numbers) > 1 else groups


def _standing(
    requests: Sequence[Entry], responses: Sequence[Entry], most: int, judge: Judge, guess: int
) -> Waiting | Finished | Failed:
    """The result of these requests, given these responses. At most ``most`` images are used."""
    entries = (*responses, *requests)
    complete = [response for response in responses if response.images and not response.running]
    # A response can say that nothing is pending although its state says otherwise. The state counts, because images
    # may be in it before they are finished.
    waiting = any(entry.waiting for entry in entries) or (not complete and any(entry.running for entry in responses))
    found = {} if waiting else {image.url: image for response in complete for image in response.images}
    images = tuple(found.values())[: min(most, MOST_IMAGES)]
    if images:
        told = [response.credits for response in responses if response.credits is not None]
        cost = Cost(sum(told), exact=True) if told else Cost(guess * len(images), exact=False)
        return Finished(images, cost, sure=all(response.state is None for response in complete))
    for entry in entries:
        if entry.problem is not None:
            error = judge.by_words(entry.problem)
            return Failed(error.reason, error.said)
    if waiting:
        steps = [entry.progress for entry in entries if entry.progress is not None]
        return Waiting(percent=steps[0] if steps else None)
    states = [response.state for response in responses if response.state is not None]
    if states:
        return _failed_with(states[0], judge)
    # Nothing is pending and there is no image. The service may be between two writes.
    return Failed(Reason.NOTHING_MADE, sure=False)


def _failed_with(state: str, judge: Judge) -> Failed:
    """The result if nothing is pending, there is no image, and the response has this state."""
    error = judge.by_words(state)
    reason = Reason.NOTHING_MADE if error.reason is Reason.REFUSED else error.reason
    # An unknown state may be a step before the images.
    return Failed(reason, error.said, sure=_plain(state) in _FAILED)


def _best(results: Sequence[Waiting | Finished | Failed]) -> Waiting | Finished | Failed:
    """Choose the result that counts. The first is the submission's own, the others are those of earlier duplicates."""
    own = results[0]
    if isinstance(own, Finished):
        return own
    finished = next((result for result in results if isinstance(result, Finished)), None)
    if finished is not None:
        # While its own response may still arrive, the duplicate's result is held back for a while.
        return replace(finished, sure=isinstance(own, Failed) and own.sure)
    return next((result for result in results if isinstance(result, Waiting)), own)


def _shared(
    result: Waiting | Finished | Failed, requests: Sequence[Entry], responses: Sequence[Entry]
) -> Waiting | Finished | Failed:
    """Merge the results of a request that was sent more than once: the images of one request, at its price."""
    if not isinstance(result, Finished) or not result.cost.exact:
        return result
    answered = min(len(requests), sum(bool(response.credits or response.images) for response in responses))
    cost = result.cost
    return replace(result, cost=replace(cost, millicredits=cost.millicredits // max(1, answered)))


def _without_request(result: Waiting | Finished | Failed) -> Waiting | Finished | Gone:
    """The result if our request was accepted but is not in the list: uncertain, whatever responses the list has."""
    if isinstance(result, Failed):
        return Gone()
    return replace(result, sure=False) if isinstance(result, Finished) else result


def _items(content: object) -> Iterator[Item]:
    """Parse the images in a response's content: a list, one image, or an object that contains such a list."""
    if isinstance(content, str):
        yield Item(url=content)
    elif isinstance(content, list):
        for one in content:
            if isinstance(one, str | dict):
                yield Item(url=one) if isinstance(one, str) else Item.model_validate(one)
    elif isinstance(content, dict):
        if "url" in content:
            yield Item.model_validate(content)
            return
        inside = next((content[key] for key in _IMAGE_LISTS if isinstance(content.get(key), list | dict)), None)
        if inside is None:
            yield from _items([one for one in content.values() if isinstance(one, dict)])
        else:
            yield from _items(inside if isinstance(inside, list) else list(inside.values()))
