"""Edits of a JSON response: shapes that services send, or may send."""

from __future__ import annotations

from base64 import b64decode, encodebytes
from collections.abc import Callable

from fakes.services.call_log import Json

Change = Callable[[Json], Json]


def each_object(change: Callable[[dict[str, Json]], dict[str, Json]]) -> Change:
    """Apply a change to every object in the response, innermost first."""

    def apply(answer: Json) -> Json:
        if isinstance(answer, list):
            return [apply(item) for item in answer]
        if isinstance(answer, dict):
            return change({name: apply(value) for name, value in answer.items()})
        return answer

    return apply


def unwrapped(answer: Json) -> Json:
    """Remove the ``data`` wrapper."""
    return answer["data"] if isinstance(answer, dict) and "data" in answer else answer


def error_is(value: Json) -> Change:
    """Set every ``error`` field to this."""
    return each_object(lambda item: item | {"error": value} if "error" in item else item)


def request_error_is(value: Json) -> Change:
    """Set the ``error`` field of the request entries to this, and end their waiting."""
    return each_object(
        lambda item: item | {"error": value, "waiting_response": False} if item.get("type") == "request" else item
    )


def response_error_is(value: Json) -> Change:
    """Set the ``error`` field of the response entries, which cost nothing, to this."""
    return each_object(
        lambda item: item | {"error": value, "content": [], "credits": 0} if item.get("type") == "response" else item
    )


def without(*names: str) -> Change:
    """Remove these fields everywhere."""
    return each_object(lambda item: {name: value for name, value in item.items() if name not in names})


def numbers_as_strings(answer: Json) -> Json:
    """Turn every number into a string."""
    if isinstance(answer, list):
        return [numbers_as_strings(item) for item in answer]
    if isinstance(answer, dict):
        return {name: numbers_as_strings(value) for name, value in answer.items()}
    return str(answer) if isinstance(answer, int | float) and not isinstance(answer, bool) else answer


def content_as_object(answer: Json) -> Json:
    """Put the images of a response inside ``{state, percent, images}``."""
    return each_object(
        lambda item: (
            item | {"content": {"state": "done", "percent": 100, "images": item["content"]}}
            if item.get("type") == "response" and isinstance(item["content"], list)
            else item
        )
    )(answer)


def content_as_one_image(answer: Json) -> Json:
    """Put a response's first image in place of the list."""
    return each_object(
        lambda item: (
            item | {"content": item["content"][0]}
            if item.get("type") == "response" and isinstance(item["content"], list) and item["content"]
            else item
        )
    )(answer)


def state_is(state: Json, *, waiting: bool = False, images: bool = True, **more: Json) -> Change:
    """Put this state into the content of the responses, with or without their images."""

    def change(item: dict[str, Json]) -> dict[str, Json]:
        if item.get("type") != "response":
            return item
        content = item["content"]
        made = content.get("images") if isinstance(content, dict) else content
        told: dict[str, Json] = {"state": state, "images": made if images else [], **more}
        return item | {"content": told, "waiting_response": waiting}

    return each_object(change)


def waiting(kind: str) -> Change:
    """Keep the entries of this type (``request`` or ``response``) waiting."""
    return each_object(lambda item: item | {"waiting_response": True} if item.get("type") == kind else item)


def without_entries(kind: str) -> Change:
    """Remove the entries of this type."""

    def apply(answer: Json) -> Json:
        if isinstance(answer, dict):
            return {name: apply(value) for name, value in answer.items()}
        if isinstance(answer, list):
            return [item for item in answer if not (isinstance(item, dict) and item.get("type") == kind)]
        return answer

    return apply


def first_images(count: int) -> Change:
    """Keep only this many images in each response."""
    return each_object(
        lambda item: (
            item | {"content": item["content"][:count]}
            if item.get("type") == "response" and isinstance(item["content"], list)
            else item
        )
    )


def images_at(url: str) -> Change:
    """Point every image at this URL."""
    return each_object(lambda item: item | {"url": url, "thumbnail_url": url} if "url" in item else item)


def image_text(change: Callable[[str], str]) -> Change:
    """Apply this change to the base64 text of the image."""

    def apply(item: dict[str, Json]) -> dict[str, Json]:
        image = item.get("image")
        return item | {"image": change(image)} if isinstance(image, str) else item

    return each_object(apply)


def data_url(media_type: str = "image/png") -> Change:
    """Put ``data:…;base64,`` before the image."""
    return image_text(lambda text: f"data:{media_type};base64,{text}")


def base64_in_lines(answer: Json) -> Json:
    """Break the base64 text into lines."""
    return image_text(lambda text: encodebytes(b64decode(text)).decode())(answer)


def not_base64(answer: Json) -> Json:
    """Insert a character that base64 does not allow."""
    return image_text(lambda text: "*" + text[1:])(answer)


def code_is(code: Json) -> Change:
    """Set the ``code``."""
    return each_object(lambda item: item | {"code": code} if "code" in item else item)


def refused(message: Json) -> Change:
    """Return the code -1, this reason, and no data. The reason may also be a list or an object."""
    return lambda answer: {"code": -1, "message": message}


def upstream_error(name: str, *errors: str) -> Json:
    """An error of the models' maker, which the service may hand on as its ``message``."""
    return {"id": "4212a4b66fbe1cedca4bf2133d35dca5", "name": name, "errors": list(errors)}


def finish_reason_is(reason: str, beside: bool = False) -> Change:
    """Add a ``finish_reason`` to the image, or ``beside`` the data."""

    def change(answer: Json) -> Json:
        assert isinstance(answer, dict)
        if beside:
            return answer | {"finish_reason": reason}
        data = answer["data"]
        assert isinstance(data, dict)
        return answer | {"data": data | {"finish_reason": reason}}

    return change


def replaced(answer: Json) -> Change:
    """Replace the response."""
    return lambda _: answer
