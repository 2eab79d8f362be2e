"""Converts media arguments, and reads frames and properties of files without a client.

`Media` lists what callers can pass as an image or a clip.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Optional, TypeVar, Union

from . import _native, _values
from ._frame import Frame
from ._native import MediaInput
from ._values import Seconds

if TYPE_CHECKING:
    from typing_extensions import ParamSpec, Protocol

    P = ParamSpec("P")

    class SupportsArrayInterface(Protocol):
        """An image of PIL or an array of numpy. Neither package has to be installed."""

        @property
        def __array_interface__(self) -> dict[str, Any]: ...
else:
    SupportsArrayInterface = Any

R = TypeVar("R")

Media = Union[
    str,
    os.PathLike[str],
    bytes,
    bytearray,
    memoryview,
    _native.Clip,
    Frame,
    MediaInput,
    SupportsArrayInterface,
]
"""An image or a clip.

One of: a path, an https URL, a `file_id` or a data URL as text; a path object; the bytes of a file; a clip in the
library; a `Frame`; a PIL image; a numpy array of dtype uint8 with the shape (height, width) for gray, or (height, width,
channels) with 1 channel for gray, 3 for RGB or 4 for RGBA. Pixels are sent as PNG, with their alpha channel.
"""


async def off_loop(build: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Calls a function that converts media. Uses a thread if it has to encode pixels, which can take seconds."""
    if _has_pixels(args) or _has_pixels(kwargs):
        return await asyncio.to_thread(build, *args, **kwargs)
    return build(*args, **kwargs)


def _has_pixels(value: object) -> bool:
    if isinstance(value, (tuple, list)):
        return any(map(_has_pixels, value))
    if isinstance(value, Mapping):
        return any(map(_has_pixels, value.values()))
    return hasattr(type(value), "__array_interface__")


def media(name: str, value: Media) -> MediaInput:
    if isinstance(value, MediaInput):
        return value
    if isinstance(value, _native.Clip):
        return MediaInput.Clip(value.id)
    if isinstance(value, str):
        return _native.parse_media_input(_values.text(name, value))
    if isinstance(value, os.PathLike):
        return MediaInput.Path(Path(_values.path(name, value)))
    if isinstance(value, (bytes, bytearray, memoryview)):
        return MediaInput.Bytes(bytes(value), name)
    png = _to_png(name, value)
    if png is None:
        raise _values.type_error(name, value, "a path, a URL, bytes, a Clip, a Frame, a PIL image or a numpy array")
    return MediaInput.Bytes(png, name)


def video(name: str, value: Media) -> MediaInput:
    """Converts like `media`, but text can also be the id or file name of a clip in the library."""
    return _native.parse_video_input(_values.text(name, value)) if isinstance(value, str) else media(name, value)


def clip_name(name: str, value: Union[_native.Clip, str, os.PathLike[str]]) -> str:
    """Converts a clip, its id, its file name or its path to text that the library can look up."""
    return value.id if isinstance(value, _native.Clip) else _values.path(name, value)


def _to_png(name: str, value: Any) -> Optional[bytes]:
    """Encodes a frame, a PIL image or a numpy array, without importing either package."""
    if isinstance(value, Frame):
        return value.to_png()
    pil = sys.modules.get("PIL.Image")
    if pil is not None and isinstance(value, pil.Image):
        if value.mode not in ("L", "LA", "RGB", "RGBA"):
            has_alpha = "A" in value.getbands() or "transparency" in value.info
            value = value.convert("RGBA" if has_alpha else "RGB")
        return _native.encode_png(value.width, value.height, len(value.getbands()), value.tobytes())
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.ndarray):
        channels = {2: 1, 3: value.shape[-1] if value.ndim == 3 else 0}.get(value.ndim)
        if value.dtype != numpy.uint8 or channels not in (1, 3, 4):
            raise ValueError(
                f"{name} must be an array of uint8 with the shape (height, width) or (height, width, 1, 3 or 4), "
                f"not {value.shape} of {value.dtype}"
            )
        return _native.encode_png(value.shape[1], value.shape[0], channels, value.tobytes())
    return None


def media_options(
    deadline: Optional[Seconds], max_pixels: Optional[int], max_decoded_bytes: Optional[int]
) -> _native.MediaOptions:
    return _native.MediaOptions(
        deadline=_values.optional(_values.duration, "deadline", deadline),
        max_pixels=_values.optional(_values.count, "max_pixels", max_pixels),
        max_decoded_bytes=_values.optional(_values.count, "max_decoded_bytes", max_decoded_bytes),
    )


async def frame(
    source: Media,
    position: Union[_native.FramePosition, Seconds, str] = "last",
    *,
    deadline: Optional[Seconds] = None,
    max_pixels: Optional[int] = None,
    max_decoded_bytes: Optional[int] = None,
) -> Frame:
    """Decodes one frame of a file or of bytes, exactly as a player would show it.

    For a clip in a library, use `VideoClient.frame`. Cancelling interrupts the decoder.

    Args:
        source: The file or its bytes.
        position: `"first"`, `"last"`, a time, or a `FramePosition`.
        deadline: Maximum duration of the call. Defaults to 60 s.
        max_pixels: Maximum number of pixels of a frame. Defaults to 8192 x 8192.
        max_decoded_bytes: Maximum number of encoded bytes to decode. Defaults to 4 GiB.

    Raises:
        MediaError: The source cannot be decoded, or it has no frame at that position.
        NotFoundError: The file does not exist.
        TimeoutError: The deadline passed.
    """
    options = media_options(deadline, max_pixels, max_decoded_bytes)
    converted = await off_loop(media, "source", source)
    return Frame(await _native.frame(converted, _values.position(position), options))


async def frames(
    source: Media,
    positions: Sequence[Union[_native.FramePosition, Seconds, str]],
    *,
    deadline: Optional[Seconds] = None,
    max_pixels: Optional[int] = None,
    max_decoded_bytes: Optional[int] = None,
) -> list[Frame]:
    """Decodes several frames of a file or of bytes in one pass, and returns them in the order of `positions`.

    All frames are held in memory at once. The other arguments and the errors are those of `frame`.
    """
    if isinstance(positions, str) or not isinstance(positions, Sequence):
        raise _values.type_error("positions", positions, "a list of positions")
    options = media_options(deadline, max_pixels, max_decoded_bytes)
    converted = [_values.position(position) for position in positions]
    input = await off_loop(media, "source", source)
    return [Frame(native) for native in await _native.frames(input, converted, options)]


async def probe(
    source: Media,
    *,
    deadline: Optional[Seconds] = None,
    max_pixels: Optional[int] = None,
    max_decoded_bytes: Optional[int] = None,
) -> _native.Probe:
    """Reads the properties of a clip or an image: dimensions, duration, codecs, colors.

    The arguments and the errors are those of `frame`.
    """
    options = media_options(deadline, max_pixels, max_decoded_bytes)
    return await _native.probe(await off_loop(media, "source", source), options)
