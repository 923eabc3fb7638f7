"""Base class of every spec: a frozen pydantic model, read from YAML once, that knows which fields define the result."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from embed.errors import SpecError
from embed.redaction import has_secret


def speed_only(default: Any, description: str, **constraints: Any) -> Any:
    """A field that changes the speed, never the result: it is no part of `Spec.identity`."""
    return Field(default, description=description, json_schema_extra={"identity": False}, **constraints)


def where_set(default: Any, description: str, **constraints: Any) -> Any:
    """A field that is part of `Spec.identity` only where it differs from its default.

    So outputs that began before the field existed keep their identity.
    """
    return Field(default, description=description, json_schema_extra={"identity": "where set"}, **constraints)


class Spec(BaseModel):
    """Settings of one command: frozen, without unknown fields, hashed over the fields that define the result."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def defining(self) -> dict[str, Any]:
        """The result-defining fields only, nested specs included, as plain JSON values."""
        values = {name: getattr(self, name) for name in type(self).model_fields}
        fields = type(self).model_fields
        return {name: _plain(value) for name, value in values.items() if _defines(fields[name], value)}

    def identity(self) -> str:
        """32 hexadecimal digits of the result-defining fields; equal specs always give equal identities."""
        return hashlib.blake2b(canonical_json(self.defining()), digest_size=16).hexdigest()

    @classmethod
    def load(cls, path: str | Path, overrides: Iterable[str] = ()) -> Self:
        """Read a YAML file, apply `a.b=c` overrides, validate.  Raises SpecError with field, value and cure."""
        return cls.parse(read_yaml(path), overrides, origin=str(path))

    @classmethod
    def parse(cls, values: Mapping[str, Any], overrides: Iterable[str] = (), origin: str = "the spec") -> Self:
        """Validate a mapping with overrides applied; `origin` is named in errors."""
        merged = _apply(deepcopy(dict(values)), overrides)
        _refuse_secrets(merged, origin)
        try:
            return cls.model_validate(merged)
        except ValidationError as error:
            raise SpecError(f"{origin}: {_first_problem(cls, error)}") from None


def canonical_json(value: Any) -> bytes:
    """JSON with sorted keys and no spaces: equal values give equal bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def read_yaml(path: str | Path) -> dict[str, Any]:
    """The mapping in a YAML file.  Raises SpecError where the file is missing, not readable or not a mapping."""
    try:
        value = yaml.load(Path(path).read_text(encoding="utf-8"), _Loader)
    except FileNotFoundError:
        raise SpecError(f"{path}: no such spec file; the ready ones are in deploy/specs/") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SpecError(f"{path}: not readable as YAML: {' '.join(str(error).split())}") from None
    if not isinstance(value, dict):
        raise SpecError(f"{path}: a spec must be a mapping of fields to values, this is {type(value).__name__}")
    return value


class _Loader(yaml.SafeLoader):
    """YAML without aliases, of which a few lines expand to gigabytes, and without a field that is given twice."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            problem = f"an alias (*{event.anchor}); write the value out"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"{key.value!r} is given twice", problem_mark=key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _refuse_secrets(value: Any, origin: str, field: str = "") -> None:
    """Raises SpecError for a url with a secret in it: a spec is printed, stored with its output, sent to clusters."""
    if isinstance(value, str) and has_secret(value):
        raise SpecError(
            f"{origin}: field {field!r} = {value!r}: a url must contain no password, signature or token; give the url"
            " without it, and S3's keys by the environment (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY)"
        )
    inner = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        _refuse_secrets(one, origin, f"{field}.{key}" if field else str(key))


def _defines(field: Any, value: Any) -> bool:
    extra = field.json_schema_extra
    identity = extra.get("identity") if isinstance(extra, dict) else True
    return identity is not False and not (identity == "where set" and value == field.default)


def _plain(value: Any) -> Any:
    if isinstance(value, Spec):
        return value.defining()
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return value


def _apply(values: dict[str, Any], overrides: Iterable[str]) -> dict[str, Any]:
    for override in overrides:
        dotted, sign, text = override.partition("=")
        if not sign or not dotted:
            raise SpecError(f"--set {override}: write it as field=value or field.inner=value")
        *parents, last = dotted.split(".")
        place: Any = values
        for parent in parents:
            place = _descend(place, parent, override)
        _assign(place, last, _value(text, override), override)
    return values


def _value(text: str, override: str) -> Any:
    try:
        return yaml.load(text, _Loader)
    except yaml.YAMLError:
        raise SpecError(f"--set {override}: the value is not readable as YAML; put it in quotes") from None


def _descend(place: Any, key: str, override: str) -> Any:
    if isinstance(place, list):
        return place[_position(place, key, override)]
    if not isinstance(place, dict):
        raise SpecError(f"--set {override}: {key!r} is inside a plain value, which has no fields")
    return place.setdefault(key, {})


def _assign(place: Any, key: str, value: Any, override: str) -> None:
    if isinstance(place, list):
        place[_position(place, key, override)] = value
    elif isinstance(place, dict):
        place[key] = value
    else:
        raise SpecError(f"--set {override}: {key!r} is inside a plain value, which has no fields")


def _position(place: list[Any], key: str, override: str) -> int:
    if key.isdigit() and int(key) < len(place):
        return int(key)
    raise SpecError(f"--set {override}: {key!r} is not a position in a list of {len(place)}")


# Messages for pydantic's errors about Python's types, in terms of YAML.
_PLAINER = {
    "tuple_type": "must be a list: one `- ` line for each entry",
    "string_type": "must be a text; put it in quotes where it looks like a number",
    "model_type": "must be a mapping of fields to values",
}


def _first_problem(cls: type[Spec], error: ValidationError) -> str:
    # A misspelt field is also a missing one; the misspelling is the better message.
    problems = error.errors()
    problem = next((one for one in problems if one["type"] == "extra_forbidden"), problems[0])
    field = ".".join(str(part) for part in problem["loc"]) or "spec"
    if problem["type"] == "extra_forbidden":
        return f"unknown field {field!r}; known here: {', '.join(_fields_at(cls, problem['loc'][:-1]))}"
    if problem["type"] == "missing":
        return f"field {field!r} is missing; add it"
    if not problem["loc"]:
        return _message(problem)
    return f"field {field!r} = {problem['input']!r}: {_PLAINER.get(problem['type']) or _message(problem)}"


def _message(problem: Mapping[str, Any]) -> str:
    return str(problem["msg"]).removeprefix("Value error, ").replace("Tuple", "List")


def _fields_at(cls: type[Spec], loc: tuple[Any, ...]) -> list[str]:
    """Names of the fields of the spec found by walking `loc`; the top's where `loc` leads to no spec."""
    place: Any = cls
    for part in loc:
        if isinstance(part, int):
            continue
        inner = place.model_fields.get(part)
        found = _spec_in(inner.annotation) if inner is not None else None
        if found is None:
            break
        place = found
    return sorted(place.model_fields)


def _spec_in(annotation: Any) -> type[Spec] | None:
    if isinstance(annotation, type) and issubclass(annotation, Spec):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        found = _spec_in(argument)
        if found is not None:
            return found
    return None
