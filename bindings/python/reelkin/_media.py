"""Converts media arguments, and reads frames and properties of files without a client.

`Media` lists what callers can pass as an image or a clip.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional, Union

from . import _native, _values
from ._frame import Frame
from ._native import MediaInput
from ._values import Seconds

if TYPE_CHECKING:
    import numpy
    import PIL.Image

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
    """An image or a clip.

    One of: a path, an https URL, a `file_id` or a data URL as text; a path object; the bytes of a file; a clip in the
    library; a `Frame`; a PIL image; a numpy array of shape (height, width, 3) and dtype uint8. Pixels are sent as PNG.
    """


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
    frame = _to_frame(value)
    if frame is None:
        raise _values.type_error(name, value, "a path, a URL, bytes, a Clip, a Frame, a PIL image or a numpy array")
    return MediaInput.Bytes(frame.to_png(), name)


def video(name: str, value: Media) -> MediaInput:
    """Converts like `media`, but text can also be the id or file name of a clip in the library."""
    return _native.parse_video_input(_values.text(name, value)) if isinstance(value, str) else media(name, value)


def clip_name(name: str, value: Union[_native.Clip, str, os.PathLike[str]]) -> str:
    """Converts a clip, its id, its file name or its path to text that the library can look up."""
    return value.id if isinstance(value, _native.Clip) else _values.path(name, value)


def _to_frame(value: Any) -> Optional[Frame]:
    """Converts a PIL image or a numpy array, without importing either package."""
    if isinstance(value, Frame):
        return value
    pil = sys.modules.get("PIL.Image")
    if pil is not None and isinstance(value, pil.Image):
        rgb = value.convert("RGB")
        return Frame.from_rgb(rgb.width, rgb.height, rgb.tobytes())
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.ndarray):
        if value.dtype != numpy.uint8 or value.ndim != 3 or value.shape[2] != 3:
            raise ValueError(f"an array must be height x width x 3 of uint8, not {value.shape} of {value.dtype}")
        return Frame.from_rgb(value.shape[1], value.shape[0], value.tobytes())
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
    return Frame(await _native.frame(media("source", source), _values.position(position), options))


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
    return [Frame(native) for native in await _native.frames(media("source", source), converted, options)]


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
    return await _native.probe(media("source", source), options)
