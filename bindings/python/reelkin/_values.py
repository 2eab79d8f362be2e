"""Validates and converts plain arguments: text, numbers, durations, money, paths.

A wrong type raises `TypeError` and a value that can never be valid raises `ValueError`, both naming the argument.
Everything else is left to the native library to judge. Media arguments are converted in `_media`.
"""

from __future__ import annotations

import builtins
import datetime
import decimal
import enum
import numbers
import os
from collections.abc import Sequence
from typing import Any, Callable, Literal, Optional, TypeVar, Union

from . import _calls, _native
from ._native import FramePosition, PlanChoice, PlannerSettings

Seconds = Union[int, float, datetime.timedelta]
"""A duration: a number of seconds or a `timedelta`."""
Usd = Union[str, int, decimal.Decimal]
"""An amount in dollars: a `Decimal` or its text. Floats are rejected because they cannot represent cents exactly."""

# Type checkers and editors offer the names that are known, and accept any other.
VideoModel = Union[Literal["grok-imagine-video", "grok-imagine-video-1.5", "grok-imagine-video-1.5-lite"], str]
"""A model of video, such as those of `built_in_models()`."""
Resolution = Union[Literal["480p", "720p", "1080p"], str]
"""A resolution, by its lines."""
AspectRatio = Union[Literal["1:1", "16:9", "9:16", "4:3", "3:4", "3:2", "2:3"], str]
"""An aspect ratio, width to height."""
Position = Union[FramePosition, Seconds, Literal["first", "last"]]
"""The position of a frame: `"first"`, `"last"`, a time, or a `FramePosition`."""

T = TypeVar("T")
C = TypeVar("C", bound=enum.Enum)

TICK = decimal.Decimal("1e-10")
# Independent of the precision and rounding of the caller's context.
EXACT = decimal.Context(prec=50, traps=[decimal.InvalidOperation, decimal.Inexact])


def type_error(name: str, value: object, expected: str) -> TypeError:
    return TypeError(f"{name} must be {expected}, not {type(value).__name__}")


def optional(convert: Any, name: str, value: Optional[Any]) -> Any:
    """Converts a value unless it is `None`."""
    return None if value is None else convert(name, value)


def text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise type_error(name, value, "a str")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError(f"{name} must be valid Unicode, without lone surrogates") from None
    return value


def texts(name: str, values: object) -> list[str]:
    # A str is a sequence too.
    if isinstance(values, str) or not isinstance(values, Sequence):
        raise type_error(name, values, "a list of str")
    return [text(name, value) for value in values]


def instance(name: str, value: T, kind: type) -> T:
    if not isinstance(value, kind):
        raise type_error(name, value, f"a reelkin.{kind.__name__}")
    return value


def duration(name: str, value: Seconds) -> datetime.timedelta:
    if isinstance(value, datetime.timedelta):
        length = value
    elif isinstance(value, numbers.Real) and not isinstance(value, bool):
        try:
            length = datetime.timedelta(seconds=float(value))
        except (ValueError, OverflowError):
            # Not a number, infinite, or more than a `timedelta` can have.
            raise ValueError(f"{name} must be a finite number of seconds, not {value!s:.40}") from None
    else:
        raise type_error(name, value, "seconds or a timedelta")
    if length < datetime.timedelta(0):
        raise ValueError(f"{name} must be 0 or more, not {length.total_seconds()} s")
    return length


def usd(name: str, value: Usd) -> decimal.Decimal:
    if isinstance(value, float):
        raise TypeError(f"{name} must be exact: use Decimal({str(value)!r}) or {str(value)!r} instead of a float")
    if isinstance(value, bool) or not isinstance(value, (str, int, decimal.Decimal)):
        raise type_error(name, value, "a Decimal or its text")
    try:
        amount = decimal.Decimal(value)
        if amount < 0:
            raise ValueError(f"{name} must be 0 or more, not {value}")
        return amount.quantize(TICK, context=EXACT)
    except decimal.DecimalException:
        raise ValueError(
            f"{name} must be an amount in dollars with at most ten decimals, such as '0.42', not {value!r}"
        ) from None


def time(name: str, value: datetime.datetime) -> datetime.datetime:
    """Returns a time that a record can have: not before the Unix epoch."""
    if not isinstance(value, datetime.datetime):
        raise type_error(name, value, "a datetime")
    if value.tzinfo is None:
        raise ValueError(f"{name} must have a time zone: use datetime.now(timezone.utc) or value.astimezone()")
    return max(value, _calls.EPOCH)


def count(name: str, value: int) -> int:
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise type_error(name, value, "an int")
    if value < 0:
        raise ValueError(f"{name} must be 0 or more, not {value}")
    return int(value)


def flag(name: str, value: bool) -> bool:
    if not isinstance(value, bool):
        raise type_error(name, value, "True or False")
    return value


def number(name: str, value: float) -> float:
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise type_error(name, value, "a number")
    return float(value)


CONVERSIONS: dict[type, Callable[[str, Any], Any]] = {
    bool: flag,
    float: number,
    int: count,
    str: text,
    datetime.timedelta: duration,
    decimal.Decimal: usd,
}


def type_of(kind: str) -> Any:
    """Returns the type with this name: a class or an alias of the native module, or a builtin."""
    return getattr(_native, kind, None) or getattr(builtins, kind)


def choice(name: str, value: object, kind: type[C]) -> C:
    """Converts a member of an enum, or its value."""
    if isinstance(value, kind):
        return value
    if not isinstance(value, str):
        raise type_error(name, value, f"a reelkin.{kind.__name__} or its value")
    try:
        return kind(value)
    except ValueError:
        values = ", ".join(repr(member.value) for member in kind)
        raise ValueError(f"{name} must be one of {values}, not {value!r}") from None


def setting(name: str, kind: str, value: object) -> Any:
    """Converts a field of a settings record. `kind` is its type, which ends with a question mark if it can be `None`."""
    if kind.endswith("?"):
        return None if value is None else setting(name, kind[:-1], value)
    target = type_of(kind)
    if target in CONVERSIONS:
        return CONVERSIONS[target](name, value)
    return choice(name, value, target) if issubclass(target, enum.Enum) else instance(name, value, target)


def path(name: str, value: Union[str, os.PathLike[str]]) -> str:
    try:
        converted = os.fspath(value)
    except TypeError:
        raise type_error(name, value, "a path") from None
    return text(name, converted)


def plan(value: Union[bool, PlannerSettings, None]) -> PlanChoice:
    if value is None:
        return PlanChoice.Default()
    if value is False:
        return PlanChoice.Off()
    if value is True:
        return PlanChoice.On(None)
    return PlanChoice.On(instance("plan", value, PlannerSettings))


def position(value: Position) -> FramePosition:
    if isinstance(value, FramePosition.At):
        return FramePosition.At(duration("position", value.value))
    if isinstance(value, FramePosition):
        return value
    if value == "first":
        return FramePosition.First()
    if value == "last":
        return FramePosition.Last()
    if isinstance(value, str):
        raise ValueError(f"position must be 'first', 'last', a time or a FramePosition, not {value!r}")
    return FramePosition.At(duration("position", value))
