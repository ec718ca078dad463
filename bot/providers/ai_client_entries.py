"""What the entries of an ai-client thread say about a submission. Pure: decoded JSON in, a result out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from bot.providers.answers import Dimensions, Fault, Flag, Lenient, Millicredits, Name, Percent, Whole, name, percent
from bot.providers.base import Cost, Failed, Finished, GeneratedImage, Handle, Json, PollResult, Refused, Waiting
from bot.providers.refusals import Judge

STRAY_POLLS = 5
"""So often a request that is over and has no answer is asked for again before it counts as failed."""

_GUID = r"^[0-9A-Za-z_-]{1,64}$"
_IMAGE_LISTS = ("images", "data", "results", "output")


class Opened(Lenient):
    """A new thread or a new entry, of which only the guid is needed. It becomes part of a path, so it is checked."""

    guid: Annotated[str, BeforeValidator(name), Field(pattern=_GUID)]

    @classmethod
    def read(cls, value: Json) -> Self | None:
        try:
            return cls.model_validate(value)
        except ValidationError:
            return None


class Ticket(BaseModel):
    """The handle of a submission: the thread's guid, the request entry's once it is known, the images asked for.

    ``strays`` counts the polls that found the request over and no answer to it. It stands here, and so in the
    database, since a poll by itself remembers nothing.
    """

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    thread: str = Field(pattern=_GUID)
    request: str | None = Field(default=None, pattern=_GUID)
    images: int = Field(default=10, ge=1)
    strays: int = Field(default=0, ge=0)

    def handle(self) -> Handle:
        made: Handle = self.model_dump(exclude_defaults=True)
        return made


def read_ticket(handle: Handle) -> Ticket:
    """Raises Refused for a handle that was not made by this provider."""
    try:
        return Ticket.model_validate(handle)
    except ValidationError:
        raise Refused("This job's record cannot be read.", detail="a handle that ai-client did not make") from None


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
    """A request or a response in a thread. ``waiting_response`` is None where it is not told."""

    guid: Name = None
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
        """The images that have an address, each once."""
        found = (item.image() for item in _items(self.content))
        return tuple({image.url: image for image in found if image is not None}.values())

    @property
    def progress(self) -> int | None:
        """How far it is in percent, where the entry or its content tells."""
        if self.progress_told is not None:
            return self.progress_told
        return percent(self.content.get("percent")) if isinstance(self.content, dict) else None


def read_entries(value: Json) -> list[Entry]:
    """The entries in a list, or in an object with numbers for keys, as PHP writes some lists; others are left out."""
    if isinstance(value, dict):
        value = [value] if "type" in value else list(value.values())
    return [Entry.model_validate(one) for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def own_request(entries: Sequence[Entry], guid: str | None) -> Entry | None:
    """The request entry with this guid, or the last one: the thread is the submission's own."""
    requests = [entry for entry in entries if entry.type == "request"]
    named = [entry for entry in requests if entry.guid == guid] or requests
    return named[-1] if named else None


def responses_to(request: Entry, entries: Sequence[Entry]) -> list[Entry]:
    """The responses that belong to this request: those after it, up to the next request.

    A thread with one request may list them in any order: they can belong to no other.
    """
    if sum(entry.type == "request" for entry in entries) == 1:
        return [entry for entry in entries if entry.type == "response"]
    start = next(index for index, entry in enumerate(entries) if entry is request) + 1
    end = next((n for n in range(start, len(entries)) if entries[n].type == "request"), len(entries))
    return [entry for entry in entries[start:end] if entry.type == "response"]


def result_of(entries: Sequence[Entry], ticket: Ticket, *, judge: Judge, guess: int) -> PollResult:
    """How the submission stands. ``guess`` is millicredits an image, for an answer that does not tell its cost."""
    request = own_request(entries, ticket.request)
    if request is None:
        return _astray(ticket, judge)
    responses = responses_to(request, entries)
    waiting = request.waiting or any(response.waiting for response in responses)
    images = () if waiting else tuple(image for response in responses for image in response.images)[: ticket.images]
    if images:
        told = [response.credits for response in responses if response.credits is not None]
        cost = Cost(sum(told), exact=True) if told else Cost(guess * len(images), exact=False)
        return Finished(images, cost)
    charged = 0 if waiting else sum(response.credits or 0 for response in responses)
    for entry in (*responses, request):
        if entry.error is not None:
            return Failed(judge.told(entry.error), charged)
    if waiting:
        steps = [entry.progress for entry in (*responses, request) if entry.progress is not None]
        return Waiting(percent=steps[0] if steps else None)
    return _astray(ticket, judge, charged)


def _astray(ticket: Ticket, judge: Judge, charged: int = 0) -> PollResult:
    """Nothing is being made and nothing is there: it may be a moment between two writes of the service."""
    if ticket.strays >= STRAY_POLLS:
        return Failed(f"{judge.label} ended this without a picture and gave no reason.", charged)
    return Waiting(handle=ticket.model_copy(update={"strays": ticket.strays + 1}).handle())


def _items(content: object) -> Iterator[Item]:
    """The images in a response's content: a list, one image, or an object that holds such a list."""
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
        for one in content.values() if inside is None else inside if isinstance(inside, list) else inside.values():
            if isinstance(one, dict):
                yield Item.model_validate(one)
