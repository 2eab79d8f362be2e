"""Converts records to plain values, as JSON has them, and back.

Durations become seconds, times milliseconds since the Unix epoch, amounts and paths text, bytes base64, and members of
enums their value. A variant has its name in the key `type`.
"""

from __future__ import annotations

import base64
import datetime
import decimal
import enum
import json
import re
import typing
from pathlib import Path
from typing import Any, TypeVar

from . import _calls, _errors, _native, _values
from ._record import Record, Variant

T = TypeVar("T")

GENERIC = re.compile(r"typing\.(Optional|List|Dict)\[(?:str, )?(.*)\]")


def to_plain(record: Record) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    if record._variant is not None:
        plain["type"] = record._variant
    for name, value in zip(record._fields, record._field_values()):
        plain[name] = _plain(value)
    return plain


def _plain(value: Any) -> Any:
    if isinstance(value, Record):
        return to_plain(value)
    if isinstance(value, _errors.Error):
        return _plain(value.details)
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    if isinstance(value, datetime.datetime):
        return _calls.millis_of(value)
    if isinstance(value, decimal.Decimal):
        return f"{value:f}"
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(value).decode("ascii")
    return value


def from_plain(kind: type[Record], plain: object, where: str = "") -> Any:
    """Creates a record. `where` is the path of its fields in messages."""
    where = where or kind.__name__
    if not isinstance(plain, dict):
        raise TypeError(f"{where} must be a dict, not {type(plain).__name__}")
    values = dict(plain)
    if issubclass(kind, Variant):
        name = values.pop("type", None)
        # A variant accepts only itself.
        variants = {kind._variant: kind} if kind._variant else kind._variants()
        if name not in variants:
            raise ValueError(f"the type of {where} must be one of {', '.join(map(str, variants))}, not {name!r}")
        kind = variants[name]
    unknown = values.keys() - kind._fields.keys()
    if unknown:
        raise TypeError(f"{where} has no field {', '.join(sorted(map(str, unknown)))}")
    fields = {}
    for name, field in kind._fields.items():
        if name in values:
            fields[name] = _value(field, values[name], f"{where}.{name}")
        elif not field.endswith("?"):
            raise TypeError(f"{where} needs {name}")
        else:
            fields[name] = None
    return kind._from_fields(fields)


def _value(kind: str, plain: Any, where: str) -> Any:
    if kind.endswith("?"):
        return None if plain is None else _value(kind[:-1], plain, where)
    generic = GENERIC.fullmatch(kind)
    if generic and generic[1] == "Optional":
        return _value(generic[2] + "?", plain, where)
    if generic and generic[1] == "List":
        return [_value(generic[2], item, f"{where}[{index}]") for index, item in enumerate(_expect(list, plain, where))]
    if generic:
        return {key: _value(generic[2], item, f"{where}.{key}") for key, item in _expect(dict, plain, where).items()}
    if kind.startswith("Json"):
        value = _expect(dict, plain, where) if kind == "JsonObject" else plain
        return _json(value, where)
    if kind == "VideoError":
        details = from_plain(_native.ErrorDetails, plain, where)
        return _errors.class_of(details.code)(details)
    target = _values.type_of(kind)
    if isinstance(target, type) and issubclass(target, Record):
        return from_plain(target, plain, where)
    if typing.get_origin(target) is list:
        return [_scalar(typing.get_args(target)[0], item, f"{where}[{i}]") for i, item in enumerate(plain)]
    return _scalar(target, plain, where)


def _json(value: Any, where: str) -> Any:
    """Copies a JSON value. Raises an error for what JSON does not have."""
    try:
        copied = json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{where} must be a JSON value: {error}") from None
    if copied != value:
        raise ValueError(f"{where} must be a JSON value: keys must be text, and lists must be lists")
    return copied


def _scalar(target: Any, plain: Any, where: str) -> Any:
    if issubclass(target, enum.Enum):
        return _values.choice(where, plain, target)
    if target is bytes:
        try:
            return base64.b64decode(_expect(str, plain, where), validate=True)
        except ValueError as error:
            raise ValueError(f"{where} must be base64: {error}") from None
    convert = CONVERSIONS.get(target)
    return target(_expect(str, plain, where)) if convert is None else convert(where, plain)


def _expect(kind: type[T], plain: Any, where: str) -> T:
    if not isinstance(plain, kind):
        raise _values.type_error(where, plain, f"a {kind.__name__}")
    return plain


def _whole(name: str, value: object) -> int:
    """Converts a whole number, which can be negative in a record of the native library."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise _values.type_error(name, value, "an int")
    return value


def _time(name: str, value: object) -> datetime.datetime:
    try:
        return _calls.EPOCH + _whole(name, value) * _calls.MILLISECOND
    except OverflowError:
        raise ValueError(f"{name} must be a time in milliseconds since 1970, not {value}") from None


CONVERSIONS = {**_values.CONVERSIONS, int: _whole, datetime.datetime: _time}
