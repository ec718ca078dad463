"""Validates requests, and the loopback Discord's own responses, against Discord's OpenAPI file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # it comes without types
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from fakes.discord.constants import Json
from fakes.discord.schema_differences import loosen

_HOME = "urn:discord"
_JSON = "application/json"
_MULTIPART = "multipart/form-data"
_TRUTHS = {"0": False, "1": True, "true": True, "false": False}


def _by_type(validator: Any, branches: list[Json], instance: Any, schema: Json) -> Iterator[Any]:
    """``oneOf`` and ``anyOf`` that try only the branches whose ``type`` matches.

    This is faster than the plain keywords, and it reports "label is too long" instead of "nothing fits".
    """
    candidates = [one for one in branches if instance is None or one.get("type") != "null"]
    if isinstance(instance, dict) and "type" in instance:
        pinned = [one for one in candidates if instance["type"] in _pinned(validator, one, instance["type"])]
        candidates = pinned or candidates
    complaints: list[Any] = []
    for index, branch in enumerate(candidates):
        errors = list(validator.descend(instance, branch, schema_path=index))
        if not errors:
            return
        complaints.extend(errors)
    if len(candidates) == 1:
        yield from complaints
        return
    yield jsonschema.ValidationError(f"{_short(instance)} fits nothing that may stand here", context=complaints)


def _pinned(validator: Any, branch: Json, otherwise: object) -> list[object]:
    """The values that a branch allows for ``type``; only ``otherwise`` if it allows any."""
    target = branch
    if "$ref" in branch:
        target = validator._resolver.lookup(branch["$ref"]).contents  # noqa: SLF001 - the library has no public way
    values: list[object] = target.get("properties", {}).get("type", {}).get("enum", [otherwise])
    return values


def _short(instance: Any) -> str:
    text = instance if isinstance(instance, str) else repr(instance)
    return text if len(text) <= 200 else f"{text[:100]}…{text[-100:]}"


_Judge: Any = jsonschema.validators.extend(jsonschema.Draft202012Validator, {"oneOf": _by_type, "anyOf": _by_type})


def _close(schemas: Json) -> None:
    """Reject properties that are not in the schema. Discord ignores them; here they count as mistakes."""
    for schema in schemas.values():
        if schema.get("type") == "object" and "properties" in schema and "allOf" not in schema:
            schema.setdefault("additionalProperties", False)


class Schema:
    """Validators for every route, each compiled on first use."""

    def __init__(self, document: Json) -> None:
        self._paths: Json = document["paths"]
        closed = json.loads(json.dumps(document["components"]))
        _close(closed["schemas"])
        loosen(closed["schemas"])
        self._requests = self._registry(closed)
        self._answers = self._registry(document["components"])
        self._made: dict[tuple[str, ...], Any] = {}

    def _registry(self, components: Json) -> Registry[Any]:
        whole = {"paths": self._paths, "components": components}
        empty: Registry[Any] = Registry()
        made: Registry[Any] = empty.with_resource(_HOME, DRAFT202012.create_resource(whole)).crawl()
        return made

    def knows(self, method: str, template: str) -> bool:
        return method.lower() in self._paths.get(template, {})

    def faults(self, method: str, template: str, content_type: str, body: Any, query: dict[str, str]) -> list[str]:
        """The faults of a request; empty if it is valid."""
        if not self.knows(method, template):
            return [f"the OpenAPI file has no {method} {template}"]
        found = list(self._query_faults(method, template, query))
        validator = self._body_validator(method, template, content_type)
        if validator is None:
            if body is not None:
                found.append(f"{method} {template} takes no body of {content_type!r}")
        elif body is None:
            found.append("the body is missing")
        else:
            found += _told(validator, body)
        return found

    def answer_faults(self, method: str, template: str, status: int, body: Any) -> list[str]:
        """The faults of a response by the loopback Discord; empty if it is valid."""
        responses = self._paths[template][method.lower()]["responses"]
        if str(status) not in responses:
            return [f"the OpenAPI file has no {status} for {method} {template}"]
        if _JSON not in responses[str(status)].get("content", {}):
            return [] if body is None else [f"{method} {template} answers {status} without a body"]
        pointer = ("answer", template, method.lower(), str(status))
        if pointer not in self._made:
            at = f"/paths/{_escaped(template)}/{method.lower()}/responses/{status}/content/{_escaped(_JSON)}/schema"
            self._made[pointer] = _Judge({"$ref": f"{_HOME}#{at}"}, registry=self._answers)
        validator = self._made[pointer]
        return [] if validator is None else _told(validator, body)

    def _body_validator(self, method: str, template: str, content_type: str) -> Any:
        kind = _MULTIPART if content_type.startswith(_MULTIPART) else _JSON
        key = ("request", template, method, kind)
        if key not in self._made:
            contents = self._paths[template][method.lower()].get("requestBody", {}).get("content", {})
            self._made[key] = None
            if kind in contents:
                at = f"/paths/{_escaped(template)}/{method.lower()}/requestBody/content/{_escaped(kind)}/schema"
                if "allOf" in contents[kind]["schema"]:
                    at += "/allOf/0"  # the second part says only that files are files
                self._made[key] = _Judge({"$ref": f"{_HOME}#{at}"}, registry=self._requests)
        return self._made[key]

    def _query_faults(self, method: str, template: str, query: dict[str, str]) -> Iterator[str]:
        item = self._paths[template]
        parameters = [*item.get("parameters", ()), *item[method.lower()].get("parameters", ())]
        known = {one["name"]: one for one in parameters if one["in"] == "query"}
        for name, one in known.items():
            if one.get("required") and name not in query:
                yield f"the query lacks {name!r}"
        for name, value in query.items():
            if name not in known:
                yield f"the query has {name!r}, which the OpenAPI file does not know"
                continue
            wanted = known[name]["schema"]
            if "$ref" not in wanted and not any(_Judge(wanted).is_valid(one) for one in _readings(value)):
                yield f"the query has {name}={value!r}"


def _readings(text: str) -> Iterator[object]:
    yield text
    if text in _TRUTHS:
        yield _TRUTHS[text]
    if text.isdigit():
        yield int(text)


def _told(validator: Any, body: Any) -> list[str]:
    return [_tell(error) for error in validator.iter_errors(body)]


def _tell(error: Any) -> str:
    while error.context:
        error = max(error.context, key=jsonschema.exceptions.relevance)
    return f"{error.json_path}: {_short(error.message)}"


def _escaped(pointer: str) -> str:
    return pointer.replace("~", "~0").replace("/", "~1")


@lru_cache(maxsize=1)
def read_schema(file: Path) -> Schema:
    """The schema in Discord's OpenAPI file (``openapi.json`` of github.com/discord/discord-api-spec), parsed once.

    Raises OSError if the file cannot be read.
    """
    return Schema(json.loads(file.read_text(encoding="utf-8")))
