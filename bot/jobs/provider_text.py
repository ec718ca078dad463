"""The texts for requests that failed: one message for each :class:`~bot.providers.base.Reason`, and for each end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bot.providers.base import Failed
from bot.providers.errors import ProviderError, Reason
from bot.providers.settings import Takes, WrongSetting
from bot.text import Message, Text, message, read_stored, stored

UNKNOWN = message(
    "submission.unknown",
    "We lost contact with the image service and can't tell if it finished. Press Again to retry.",
)
INTERRUPTED = message(
    "submission.interrupted", "I was restarted while sending this, and can't tell if it was made. Press Again to retry."
)
NOT_OFFERED = message("submission.not_offered", "This engine is no longer available here.")
STOPPED = message("submission.stopped", "Cancelled while it was being made.")
QUEUED_TOO_LONG = message(
    "submission.queued_too_long",
    "The image service was busy or out of reach for an hour, so nothing was sent.",
)
MISSING_IMAGES = message(
    "submission.missing_images", "{count} of {asked} images is missing.", "{count} of {asked} images are missing."
)

TEXTS: Mapping[Reason, Message] = {
    Reason.NO_ANSWER: message("provider.no_answer", "{label} got the request but didn't answer."),
    Reason.UNREADABLE_ANSWER: message(
        "provider.unreadable_answer", "{label} got the request, but its answer is unreadable."
    ),
    Reason.UNREACHABLE: message("provider.unreachable", "{label} can't be reached."),
    Reason.NOT_TRUSTED: message(
        "provider.not_trusted",
        "No secure connection with {label} can be made. The bot's operator has to look at its address and certificate.",
    ),
    Reason.BUSY: message("provider.busy", "{label} is busy."),
    Reason.BROKEN: message("provider.broken", "{label} had an internal error."),
    Reason.REFUSED: message("provider.refused", "{label} refused this and gave no reason."),
    Reason.MODERATED: message("provider.moderated", "{label} refused this because of its content."),
    Reason.UPLOAD_TOO_LARGE: message(
        "provider.upload_too_large", "{label} doesn't accept this picture, because its file is too large."
    ),
    Reason.RETIRED: message("provider.retired", "{label} no longer has this engine. Pick another one: see /engines."),
    Reason.NO_WORDS: message(
        "provider.no_words", "This prompt has only flags or links. Add words that say what to draw."
    ),
    Reason.NO_PICTURE: message(
        "provider.no_picture", "The picture to start from is missing. Nothing was sent or charged."
    ),
    Reason.NOTHING_MARKED: message(
        "provider.nothing_marked", "Mark the part of the picture to change first. Nothing was sent or charged."
    ),
    Reason.WRONG_MARGINS: message(
        "provider.wrong_margins",
        "Extend the picture on at least one side, by up to {most} pixels each. Nothing was sent or charged.",
    ),
    Reason.WRONG_WORKFLOW: message(
        "provider.wrong_workflow",
        "{label} can't run this engine's workflow because of the node {node}. The bot's operator has to fix it.",
    ),
    Reason.WRONG_CONTROL: message(
        "provider.wrong_control",
        "{label} could not use its ControlNet with this engine's model. Try it again: if it has another, it uses that "
        "one.",
    ),
    Reason.WRONG_KEY: message(
        "provider.wrong_key", "{label} doesn't accept the bot's key. The bot's operator has to fix it."
    ),
    Reason.NO_CREDITS: message(
        "provider.no_credits", "The bot's account at {label} is out of credits. The bot's operator has to top it up."
    ),
    Reason.NOT_PERMITTED: message(
        "provider.not_permitted",
        "The bot's account at {label} isn't allowed to use this engine. The bot's operator may have to verify it.",
    ),
    Reason.NOT_FOUND: message(
        "provider.not_found",
        "{label} no longer offers this engine, or its address is set wrong. The bot's operator has to look at it.",
    ),
    Reason.REDIRECTED: message(
        "provider.redirected", "{label} redirects to another address: its address is set wrong, or it wants a login."
    ),
    Reason.MOVED: message("provider.moved", "{label} has moved to {address}: set {setting} to that address."),
    Reason.NOTHING_MADE: message("provider.nothing_made", "{label} finished without an image and gave no reason."),
    Reason.NO_IMAGES: message("provider.no_images", "{label} accepts requests but returns no images."),
    Reason.NOT_LISTED: message("provider.not_listed", "{label} has no record of this at the moment."),
    Reason.ODD_ANSWER: message("provider.odd_answer", "{label} sent an answer we can't read."),
    Reason.CONTRADICTION: message("provider.contradiction", "{label} gives contradictory answers."),
    Reason.CANNOT_FIND: message("provider.cannot_find", "{label} can't tell if it made this."),
    Reason.BAD_HANDLE: message("provider.bad_handle", "We can't read our own record of this."),
    Reason.CANCELLED: message("provider.cancelled", "This was stopped before it was finished."),
    Reason.OUT_OF_MEMORY: message(
        "provider.out_of_memory",
        "{label} ran out of memory. A smaller size or fewer images need less.",
    ),
    Reason.NOT_A_NUMBER: message(
        "provider.not_a_number",
        "{label} made a broken image with this engine. The operator of that server has to give the model a higher "
        "precision, or another VAE.",
    ),
    Reason.NO_WORKER: message(
        "provider.no_worker",
        "Nobody at {label} offers this engine in this size right now. Try a smaller size or another engine.",
    ),
    Reason.LORA_NOT_LOADED: message(
        "provider.lora_not_loaded",
        "{label} could not load the LoRA: it has none with this name, or it is for another kind of model. Check the "
        "name, or use its number at CivitAI.",
    ),
    Reason.PICTURE_NOT_LOADED: message(
        "provider.picture_not_loaded",
        "{label} could not load the picture to start from. Press Again to retry.",
    ),
    Reason.TOO_DEMANDING: message(
        "provider.too_demanding",
        "{label} makes a picture this large only for accounts that have earned more there. Try a smaller picture, "
        "fewer steps or fewer images.",
    ),
    Reason.IMAGE_MISSING: message("provider.image_missing", "{label} sent no image."),
    Reason.IMAGE_WITHOUT_ADDRESS: message(
        "provider.image_without_address", "{label} gave no usable address for this image."
    ),
    Reason.IMAGE_NOT_READY: message("provider.image_not_ready", "{label} doesn't have the image ready."),
    Reason.IMAGE_GONE: message("provider.image_gone", "{label} no longer has this image."),
    Reason.IMAGE_UNREACHABLE: message("provider.image_unreachable", "The image could not be downloaded from {label}."),
    Reason.IMAGE_REDIRECTS: message(
        "provider.image_redirects", "{label} keeps redirecting us instead of sending this image."
    ),
    Reason.IMAGE_HOST_NOT_ALLOWED: message(
        "provider.image_host_not_allowed",
        "{label} stores this image on a host that isn't allowed. The bot's operator can allow it with {setting}; "
        "the log says how.",
    ),
    Reason.IMAGE_TOO_LARGE: message("provider.image_too_large", "{label} sent an image of more than {mib} MiB."),
    Reason.IMAGE_TOO_MANY_PIXELS: message(
        "provider.image_too_many_pixels",
        "{label} sent an image that claims to be {width:plain} × {height:plain} pixels.",
    ),
    Reason.IMAGE_INCOMPLETE: message("provider.image_incomplete", "{label} sent only part of the image."),
    Reason.IMAGE_CUT_SHORT: message("provider.image_cut_short", "{label} sent an image that ends too early."),
    Reason.IMAGE_IS_PAGE: message("provider.image_is_page", "{label} sent a web page instead of an image."),
    Reason.IMAGE_IS_SVG: message("provider.image_is_svg", "{label} sent an SVG file, which isn't an image we accept."),
    Reason.IMAGE_OF_OTHER_TYPE: message(
        "provider.image_of_other_type", "{label} sent a file that is not a PNG, JPEG or WebP."
    ),
    Reason.IMAGE_BROKEN: message("provider.image_broken", "{label} sent a broken image."),
}
"""The message for each reason. The value ``label`` is the service's display name."""

SAYING: Mapping[Reason, Message] = {
    Reason.BROKEN: message("provider.broken.saying", "{label} had an internal error: {said}"),
    Reason.REFUSED: message("provider.refused.saying", "{label} refused this: {said}"),
    Reason.MODERATED: message("provider.moderated.saying", "{label} refused this because of its content: {said}"),
    Reason.NOTHING_MADE: message("provider.nothing_made.saying", "{label} finished without an image: {said}"),
}
"""The message if the service gave an explanation. The value ``said`` is the explanation."""

RAISE_LIMIT = message("provider.image_too_large.setting", "{problem} The bot's operator can raise {setting}.")
_WRONG_SETTING: Mapping[Takes, Message] = {
    Takes.NAMES: message(
        "settings.takes_names", "{name} takes names of letters, digits, dots and hyphens, separated by commas."
    ),
    Takes.HOSTS: message(
        "settings.takes_hosts",
        "{name} takes host names such as images.example.com, or cdn.lan:9000 where a port is needed, separated by "
        "commas.",
    ),
    Takes.ADDRESSES: message(
        "settings.takes_addresses",
        "{name} takes addresses that begin with http:// or https://, separated by commas.",
    ),
    Takes.VERSIONS: message("settings.takes_versions", "{name} takes one or more of {choices}, separated by commas."),
    Takes.MODELS: message(
        "settings.takes_models",
        "{name} has to name models with their prices in US dollars, separated by commas, such as gpt-image-1 medium "
        "0.042. docs/settings.md says how.",
    ),
    Takes.PRICES: message(
        "settings.takes_prices",
        "{name} takes prices in credits by engine or operation, such as ultra=16, inpaint=6.5. docs/settings.md lists "
        "them.",
    ),
}


def provider_text(label: str, failure: ProviderError | Failed) -> Text:
    """Return the text for the author of a request. It may include the service's own words."""
    if failure.said and failure.reason in SAYING:
        return SAYING[failure.reason](label=label, said=failure.said)
    values: Mapping[str, int | str] = failure.values if isinstance(failure, ProviderError) else {}
    told = TEXTS[failure.reason](label=label, **{name: value for name, value in values.items() if value != ""})
    if failure.reason is Reason.IMAGE_TOO_LARGE and values.get("setting"):
        return RAISE_LIMIT(problem=told, setting=values["setting"])
    return told


def wrong_setting_text(error: WrongSetting) -> Text:
    """Return the text for a setting that a provider refused: the valid values."""
    return _WRONG_SETTING[error.takes](name=error.name, choices=error.choices)


def as_stored(*texts: Text) -> list[dict[str, Any]]:
    """Encode texts for storage in a submission's ``problems``."""
    return [stored(text) for text in texts]


def as_texts(problems: Sequence[Mapping[str, Any]] | None) -> tuple[Text, ...]:
    """Decode the texts in a submission's ``problems``."""
    return tuple(read_stored(problem) for problem in problems or ())
