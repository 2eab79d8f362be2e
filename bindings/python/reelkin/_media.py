"""Converts media arguments, and reads frames and properties of files without a client.

`Media` lists what callers can pass as an image or a clip.
"""

from __future__ import annotations

import functools
import numbers
import os
import sys
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Optional, TypeVar, Union

from . import _calls, _loop, _native, _values
from ._frame import Frame
from ._native import FramePosition, MediaInput
from ._values import Position, Seconds

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

# Maximum size of the frames that `iter_frames` decodes at once.
MAX_PART_BYTES = 256 << 20

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


class _Pixels:
    """A copy of the pixels of an image: 8 bits per channel, row by row from the top, without padding."""

    def __init__(self, width: int, height: int, channels: int, content: bytes) -> None:
        self.width, self.height, self.channels, self.content = width, height, channels, content


async def off_loop(build: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Calls a function that converts media. Uses a thread if it has to encode pixels, which can take seconds.

    The thread gets a copy of the pixels, because the caller can change an array while the call runs, and an image of PIL
    cannot be read by two threads.
    """
    loop = _calls.running_loop()
    if not (_has_pixels(args) or _has_pixels(kwargs)):
        return build(*args, **kwargs)
    copies: Any = (_copied("image", args), {name: _copied(name, value) for name, value in kwargs.items()})
    call = functools.partial(build, *copies[0], **copies[1])
    return await loop.run_in_executor(_loop.encoders(), call)


def _has_pixels(value: object) -> bool:
    if isinstance(value, Mapping):
        return any(map(_has_pixels, value.values()))
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes, bytearray, memoryview)):
        return any(map(_has_pixels, value))
    # numpy's numbers are arrays without dimensions.
    return hasattr(type(value), "__array_interface__") and not isinstance(value, numbers.Number)


def _copied(name: str, value: Any) -> Any:
    """Replaces images by copies of their pixels, also in lists and dictionaries."""
    if not _has_pixels(value):
        return value
    if isinstance(value, Mapping):
        return {key: _copied(name, item) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [_copied(name, item) for item in value]
    # A frame cannot change.
    return value if isinstance(value, Frame) else _pixels(name, value)


def media(name: str, value: Any) -> MediaInput:
    """Converts what callers pass as an image or a clip, as `Media` lists it."""
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


def video(name: str, value: Any) -> MediaInput:
    """Converts like `media`, but text can also be the id or file name of a clip in the library."""
    return _native.parse_video_input(_values.text(name, value)) if isinstance(value, str) else media(name, value)


def clip_name(name: str, value: Union[_native.Clip, str, os.PathLike[str]]) -> str:
    """Converts a clip, its id, its file name or its path to text that the library can look up."""
    return value.id if isinstance(value, _native.Clip) else _values.path(name, value)


def _pixels(name: str, value: Any) -> Optional[_Pixels]:
    """Copies the pixels of a PIL image or of an array, without importing either package for other values."""
    pil = sys.modules.get("PIL.Image")
    if pil is not None and isinstance(value, pil.Image):
        return _pixels_of_image(name, value)
    if not _has_pixels(value):
        return None
    import numpy

    array = numpy.asarray(value)
    channels = {2: 1, 3: array.shape[-1] if array.ndim == 3 else 0}.get(array.ndim)
    if array.dtype != numpy.uint8 or channels not in (1, 3, 4) or numpy.ma.is_masked(value):
        raise ValueError(
            f"{name} must be an array of uint8 with the shape (height, width) or (height, width, 1, 3 or 4) and without "
            f"a mask, not {array.shape} of {array.dtype}"
        )
    return _Pixels(array.shape[1], array.shape[0], channels, array.tobytes())


# The modes of PIL with 8 bits per channel, and those that they are converted to if they have no counterpart in a PNG.
MODES = {"L": "L", "LA": "LA", "RGB": "RGB", "RGBA": "RGBA", "La": "LA", "RGBa": "RGBA"}
MODES.update({mode: "RGB" for mode in ("1", "P", "PA", "CMYK", "YCbCr", "LAB", "HSV", "RGBX")})


def _pixels_of_image(name: str, image: Any) -> _Pixels:
    mode = MODES.get(image.mode)
    if mode is None:
        raise ValueError(f"{name} must be an image with 8 bits per channel, not of mode {image.mode}: convert it first")
    has_alpha = "A" in image.getbands() or "transparency" in image.info or image.mode == "PA"
    # A palette can have an alpha channel of its own.
    has_alpha = has_alpha or (image.palette is not None and image.palette.mode.endswith("A"))
    if has_alpha and "A" not in mode:
        mode = "RGBA"
    converted = image if image.mode == mode and "transparency" not in image.info else image.convert(mode)
    return _Pixels(converted.width, converted.height, len(converted.getbands()), converted.tobytes())


def _to_png(name: str, value: Any) -> Optional[bytes]:
    """Encodes a frame, an image or an array. Returns `None` for anything else."""
    if isinstance(value, Frame):
        return value.to_png()
    pixels = value if isinstance(value, _Pixels) else _pixels(name, value)
    if pixels is None:
        return None
    return _native.encode_png(pixels.width, pixels.height, pixels.channels, pixels.content)


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
    position: Position = "last",
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
    positions: Sequence[Position],
    *,
    deadline: Optional[Seconds] = None,
    max_pixels: Optional[int] = None,
    max_decoded_bytes: Optional[int] = None,
) -> list[Frame]:
    """Decodes several frames of a file or of bytes in one pass, and returns them in the order of `positions`.

    All frames are held in memory at once; `iter_frames` holds a part of them. The other arguments and the errors are
    those of `frame`.
    """
    if isinstance(positions, str) or not isinstance(positions, Sequence):
        raise _values.type_error("positions", positions, "a list of positions")
    options = media_options(deadline, max_pixels, max_decoded_bytes)
    converted = [_values.position(position) for position in positions]
    input = await off_loop(media, "source", source)
    return [Frame(native) for native in await _native.frames(input, converted, options)]


async def iter_frames(
    source: Media,
    positions: Optional[Iterable[Position]] = None,
    *,
    deadline: Optional[Seconds] = None,
    max_pixels: Optional[int] = None,
    max_decoded_bytes: Optional[int] = None,
) -> AsyncIterator[Frame]:
    """Decodes the frames of a file or of bytes one after the other: those at `positions`, or all of them.

    Holds at most 256 MiB of frames, or one frame that is larger. They are decoded in parts of that size, and each part
    is decoded from the key frame before it, or from the start if all frames are. For a few frames, `frames` is faster.

    The other arguments and the errors are those of `frame`. The limits apply to each part.
    """
    if isinstance(positions, str) or not isinstance(positions, (Iterable, type(None))):
        raise _values.type_error("positions", positions, "a list of positions")
    options = media_options(deadline, max_pixels, max_decoded_bytes)
    given = None if positions is None else [*map(_values.position, positions)]
    input = await off_loop(media, "source", source)
    video = (await _native.probe(input, options)).video
    count = await _frame_count(input, video, options) if given is None else 0
    wanted: list[FramePosition] = [*map(FramePosition.Number, range(count))] if given is None else given
    size = max(1, MAX_PART_BYTES // (video.width * video.height * 3))
    for start in range(0, len(wanted), size):
        part = await _native.frames(input, wanted[start : start + size], options)
        # A frame that was used is not held any longer.
        part.reverse()
        while part:
            yield Frame(part.pop())


async def _frame_count(input: MediaInput, video: _native.VideoProbe, options: _native.MediaOptions) -> int:
    if video.frames is not None:
        return video.frames
    # With a number among the positions, the decoder counts.
    _, last = await _native.frames(input, [FramePosition.Number(0), FramePosition.Last()], options)
    number = last.origin().number
    return 0 if number is None else number + 1


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
