"""The errors of an image service. Each class is the decision that follows; the reason says what happened."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Reason(StrEnum):
    """Why a call failed, or why a request made no images. ``bot.jobs.provider_text`` has a message for each reason."""

    # The outcome of the call.
    NO_ANSWER = "no_answer"
    UNREADABLE_ANSWER = "unreadable_answer"
    UNREACHABLE = "unreachable"
    NOT_TRUSTED = "not_trusted"
    """No secure connection can be made: its certificate is not trusted, or it has no https at all."""
    BUSY = "busy"
    BROKEN = "broken"
    """The service reports an error of its own."""
    REFUSED = "refused"
    MODERATED = "moderated"
    UPLOAD_TOO_LARGE = "upload_too_large"
    """The service does not accept pictures of this size."""
    RETIRED = "retired"
    """The service no longer has this engine."""
    CANCELLED = "cancelled"
    """It was stopped by request."""
    OUT_OF_MEMORY = "out_of_memory"
    """The machine that makes the images has too little memory for this request."""
    NOT_A_NUMBER = "not_a_number"
    """The model's numbers overflow, so its images are broken. Only its operator can change that."""
    NO_WORKER = "no_worker"
    """No machine offers this engine, size or option at the moment."""
    TOO_DEMANDING = "too_demanding"
    """The service makes something this large only for accounts with more credit there."""
    LORA_NOT_LOADED = "lora_not_loaded"
    """The service has no such LoRA, or it is for another kind of model."""
    PICTURE_NOT_LOADED = "picture_not_loaded"
    """The machine that made the image could not get the picture to start from."""
    # Problems of a request that were found before it was sent.
    NO_WORDS = "no_words"
    """The prompt has only flags or links, and the engine needs words."""
    NO_PICTURE = "no_picture"
    NOTHING_MARKED = "nothing_marked"
    """No part of the picture is marked."""
    WRONG_MARGINS = "wrong_margins"
    """The picture is extended on no side, or by more than ``most`` pixels."""
    # Problems that only the bot's operator can fix.
    WRONG_WORKFLOW = "wrong_workflow"
    """The service cannot run the operator's workflow, because of the node ``node``."""
    WRONG_CONTROL = "wrong_control"
    """The ControlNet that the service has does not fit this engine's model."""
    WRONG_KEY = "wrong_key"
    NO_CREDITS = "no_credits"
    NOT_PERMITTED = "not_permitted"
    """The account may not use this engine, for example because its owner has not proved who they are."""
    NOT_FOUND = "not_found"
    REDIRECTED = "redirected"
    MOVED = "moved"
    """The service has moved to the URL in the value ``address``."""
    # The outcome of an accepted request.
    NOTHING_MADE = "nothing_made"
    NO_IMAGES = "no_images"
    """None of its images could be fetched."""
    NOT_LISTED = "not_listed"
    ODD_ANSWER = "odd_answer"
    CONTRADICTION = "contradiction"
    CANNOT_FIND = "cannot_find"
    BAD_HANDLE = "bad_handle"
    # The outcome for one image.
    IMAGE_MISSING = "image_missing"
    IMAGE_WITHOUT_ADDRESS = "image_without_address"
    IMAGE_NOT_READY = "image_not_ready"
    IMAGE_GONE = "image_gone"
    IMAGE_UNREACHABLE = "image_unreachable"
    IMAGE_REDIRECTS = "image_redirects"
    IMAGE_HOST_NOT_ALLOWED = "image_host_not_allowed"
    IMAGE_TOO_LARGE = "image_too_large"
    """The file has more than ``mib`` MiB."""
    IMAGE_TOO_MANY_PIXELS = "image_too_many_pixels"
    """The file claims to be ``width`` × ``height`` pixels."""
    IMAGE_INCOMPLETE = "image_incomplete"
    IMAGE_CUT_SHORT = "image_cut_short"
    IMAGE_IS_PAGE = "image_is_page"
    IMAGE_IS_SVG = "image_is_svg"
    IMAGE_OF_OTHER_TYPE = "image_of_other_type"
    IMAGE_BROKEN = "image_broken"


class ProviderError(Exception):
    """A call failed. The subclass decides what to do next.

    ``reason`` and its ``values`` may be shown to everybody. ``said`` is the service's message, cleaned. It may repeat
    the prompt, so it is shown only to the author of the request and is never logged. ``detail`` is for the log: a
    status or a length, never part of a response, a key, a header or a prompt.
    """

    usual = Reason.BROKEN

    def __init__(
        self,
        reason: Reason | None = None,
        *,
        said: str = "",
        detail: str = "",
        values: Mapping[str, int | str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.reason = reason or self.usual
        self.said = said
        self.detail = detail
        self.values = values or {}


class Refused(ProviderError):
    """The provider refused the request: tell the user. It is free, and a retry would get the same response.

    ``operator``: only the bot's operator can fix it, e.g. a wrong key or no credits. ``fault``: the provider reports an
    error of its own, so the next request may succeed, but this one has failed. ``setting`` names the setting with which
    the operator can fix it, or is "". ``abuse``: after more requests like this, the service would block the bot, so
    this person is stopped for a while.
    """

    usual = Reason.REFUSED

    def __init__(
        self,
        reason: Reason | None = None,
        *,
        said: str = "",
        detail: str = "",
        values: Mapping[str, int | str] | None = None,
        operator: bool = False,
        fault: bool = False,
        setting: str = "",
        abuse: bool = False,
    ) -> None:
        super().__init__(reason, said=said, detail=detail, values={**(values or {}), "setting": setting})
        self.operator = operator
        self.fault = fault
        self.setting = setting
        self.abuse = abuse


class NotFound(Refused):
    """The URL does not exist (404, 410): nothing was accepted, and only the operator can fix it.

    A service may respond like this while it is being deployed, so it counts only if it persists.
    """

    usual = Reason.NOT_FOUND

    def __init__(self, reason: Reason | None = None, *, detail: str = "") -> None:
        super().__init__(reason, detail=detail, operator=True)


class Busy(ProviderError):
    """The request was not accepted. Retry after ``retry_after`` seconds (None: the provider gave no time)."""

    usual = Reason.BUSY

    def __init__(self, *, detail: str = "", retry_after: float | None = None) -> None:
        super().__init__(detail=detail)
        self.retry_after = retry_after


class Unreachable(ProviderError):
    """The request certainly did not arrive, or it is free to repeat: retry later."""

    usual = Reason.UNREACHABLE


class TooLarge(ProviderError):
    """The request was not accepted because its pictures are too large. Smaller files may be."""

    usual = Reason.UPLOAD_TOO_LARGE


class OutcomeUnknown(ProviderError):
    """The request was sent, but no usable response arrived: find out what happened before sending it again."""

    usual = Reason.NO_ANSWER
