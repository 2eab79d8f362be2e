"""What callers may pass, made into what the private module takes: the one place for each conversion.

A wrong type is a `TypeError`, a value that can never be right a `ValueError`, both with the argument's name. What only
the library can judge is left to it.
"""

from __future__ import annotations

import datetime
import decimal
import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional, TypeVar, Union

from . import _native
from ._native import FramePosition, MediaInput, PlanChoice, PlannerSettings

if TYPE_CHECKING:
    import numpy
    import PIL.Image

    from ._frames import Frame

    Media = Union[
        str,
        os.PathLike[str],
        bytes,
        bytearray,
        memoryview,
        _native.Clip,
        Frame,
        MediaInput,
        PIL.Image.Image,
        numpy.ndarray[Any, Any],
    ]
    """A picture or a clip, wherever it is.

    A path or what the program takes as text (a file, an https URL, a `file_id`, a data URL), the bytes of a file, a
    clip of the library, a `Frame`, a PIL image, or a numpy array of height x width x 3 bytes. Pixels travel as PNG.
    """

Seconds = Union[int, float, datetime.timedelta]
"""A time: seconds or a `timedelta`."""
Usd = Union[str, int, decimal.Decimal]
"""Dollars: a `Decimal` or its text. No float, which cannot hold cents."""

T = TypeVar("T")

TICKS = decimal.Decimal("1e-10")
# Whatever the caller's own context rounds to.
EXACT = decimal.Context(prec=50, traps=[decimal.InvalidOperation, decimal.Inexact])


def wrong(name: str, value: object, wanted: str) -> TypeError:
    return TypeError(f"{name} is to be {wanted}, not {type(value).__name__}")


def text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise wrong(name, value, "a str")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError(f"{name} has characters that are no Unicode text") from None
    return value


def texts(name: str, values: object) -> list[str]:
    # A lone str is a sequence too, of letters.
    if isinstance(values, str) or not isinstance(values, Sequence):
        raise wrong(name, values, "a list of str")
    return [text(name, value) for value in values]


def one_of(name: str, value: T, kind: type) -> T:
    if not isinstance(value, kind):
        raise wrong(name, value, f"a reelkin.{kind.__name__}")
    return value


def duration(name: str, value: Seconds) -> datetime.timedelta:
    if isinstance(value, datetime.timedelta):
        length = value
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        if not math.isfinite(value) or value > datetime.timedelta.max.total_seconds():
            raise ValueError(f"{name} is to be a number of seconds, not {value}")
        length = datetime.timedelta(seconds=value)
    else:
        raise wrong(name, value, "seconds or a timedelta")
    if length < datetime.timedelta(0):
        raise ValueError(f"{name} is to be 0 or more, not {length.total_seconds()} s")
    return length


def usd(name: str, value: Usd) -> decimal.Decimal:
    if isinstance(value, float):
        raise TypeError(f"{name} is to be exact: write Decimal({str(value)!r}) or {str(value)!r} instead of a float")
    if isinstance(value, bool) or not isinstance(value, (str, int, decimal.Decimal)):
        raise wrong(name, value, "a Decimal or its text")
    try:
        amount = decimal.Decimal(value)
        if amount < 0:
            raise ValueError(f"{name} is to be 0 or more, not {value}")
        return amount.quantize(TICKS, context=EXACT)
    except decimal.DecimalException:
        raise ValueError(f"{name} is to be dollars with at most ten decimals, such as '0.42', not {value!r}") from None


def milliseconds(name: str, value: datetime.datetime) -> int:
    if not isinstance(value, datetime.datetime):
        raise wrong(name, value, "a datetime")
    if value.tzinfo is None:
        raise ValueError(f"{name} is to have a time zone: write datetime.now(timezone.utc) or value.astimezone()")
    since = value - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
    return max(0, since // datetime.timedelta(milliseconds=1))


def count(name: str, value: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise wrong(name, value, "an int")
    if value < 0:
        raise ValueError(f"{name} is to be 0 or more, not {value}")
    return value


def switch(name: str, value: bool) -> bool:
    if not isinstance(value, bool):
        raise wrong(name, value, "True or False")
    return value


def path(name: str, value: Union[str, os.PathLike[str]]) -> str:
    try:
        place = os.fspath(value)
    except TypeError:
        raise wrong(name, value, "a path") from None
    return text(name, place)


def plan(value: Union[bool, PlannerSettings, None]) -> PlanChoice:
    if value is None:
        return PlanChoice.Default()
    if value is False:
        return PlanChoice.Off()
    if value is True:
        return PlanChoice.On(None)
    return PlanChoice.On(one_of("plan", value, PlannerSettings))


def position(value: Union[FramePosition, Seconds, str]) -> FramePosition:
    if isinstance(value, FramePosition):
        return value
    if value == "first":
        return FramePosition.First()
    if value == "last":
        return FramePosition.Last()
    if isinstance(value, str):
        raise ValueError(f"position is to be 'first', 'last', a time or a FramePosition, not {value!r}")
    return FramePosition.At(duration("position", value))


def media(name: str, value: Media) -> MediaInput:
    if isinstance(value, MediaInput):
        return value
    if isinstance(value, _native.Clip):
        return MediaInput.Clip(value.id)
    if isinstance(value, str):
        return _native.parse_media_input(text(name, value))
    if isinstance(value, os.PathLike):
        return MediaInput.Path(Path(path(name, value)))
    if isinstance(value, (bytes, bytearray, memoryview)):
        return MediaInput.Bytes(bytes(value), name)
    png = _png(value)
    if png is None:
        raise wrong(name, value, "a path, a URL, bytes, a Clip, a Frame, a PIL image or a numpy array")
    return MediaInput.Bytes(png, name)


def video(name: str, value: Media) -> MediaInput:
    """The same for a clip: text may also be its id or its file name in the library."""
    return _native.parse_video_input(text(name, value)) if isinstance(value, str) else media(name, value)


def clip_name(name: str, value: Union[_native.Clip, str, os.PathLike[str]]) -> str:
    """A clip of a library by what it is, its id, its file name or the path of its file."""
    return value.id if isinstance(value, _native.Clip) else path(name, value)


def given(convert: Any, name: str, value: Optional[Any]) -> Any:
    """Converted, unless it was left out."""
    return None if value is None else convert(name, value)


def _png(value: Any) -> Optional[bytes]:
    """The pixels of a picture as a PNG file; nothing if it is none."""
    from ._frames import Frame

    if isinstance(value, Frame):
        return value.to_png()
    # Whoever has an object of these has imported them.
    pil = sys.modules.get("PIL.Image")
    if pil is not None and isinstance(value, pil.Image):
        rgb = value.convert("RGB")
        return Frame.from_rgb(rgb.width, rgb.height, rgb.tobytes()).to_png()
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.ndarray):
        if value.dtype != numpy.uint8 or value.ndim != 3 or value.shape[2] != 3:
            raise ValueError(f"an array is to be height x width x 3 of uint8, not {value.shape} of {value.dtype}")
        return Frame.from_rgb(value.shape[1], value.shape[0], value.tobytes()).to_png()
    return None
