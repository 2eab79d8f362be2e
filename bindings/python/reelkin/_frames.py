"""Frames and probes."""

from __future__ import annotations

import ctypes
import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Optional, Union

from . import _native, _values

if TYPE_CHECKING:
    import numpy
    import PIL.Image
    from typing_extensions import Self

    from ._values import Media, Seconds


class Frame:
    """A picture as a player shows it: packed RGB, 8 bits a channel, rows from the top, turned upright.

    The pixels lie in the library's memory and are read-only. `pixels`, `to_numpy()` and, from Python 3.12 on,
    `memoryview(frame)` look at them in place and keep them alive; `bytes(frame)`, `to_pil()`, `to_png()` and
    `to_jpeg()` are copies. In a notebook it shows.
    """

    def __init__(self, native: _native.Frame) -> None:
        self._native = _values.one_of("native", native, _native.Frame)

    # Pixels cannot be changed, so that a copy in this process is the frame itself, and one that is pickled is its value.

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: Any) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (type(self), self.width, self.height, bytes(self), self._native.origin())

    @classmethod
    def from_rgb(cls, width: int, height: int, rgb: bytes) -> Frame:
        """A frame out of packed RGB pixels, width times height times 3 bytes.

        Raises `MediaError` when they are not that many.
        """
        return cls(_native.Frame.from_rgb(width, height, rgb))

    @property
    def width(self) -> int:
        """Pixels a row."""
        return self._native.width()

    @property
    def height(self) -> int:
        """Rows."""
        return self._native.height()

    @property
    def pts(self) -> int:
        """The timestamp in the stream, in units of its time base."""
        return self._native.pts()

    @property
    def time_base(self) -> _native.TimeBase:
        """The unit of the timestamp."""
        return self._native.time_base()

    @property
    def time(self) -> datetime.timedelta:
        """What a player's clock shows when this frame appears."""
        return self._native.time()

    @property
    def number(self) -> Optional[int]:
        """Its place in presentation order, from 0, where that is known."""
        return self._native.number()

    @property
    def colour(self) -> _native.ColourInfo:
        """Which matrix and range made the pixels, and whether the clip said so or it was assumed."""
        return self._native.colour()

    @property
    def rotation(self) -> _native.Rotation:
        """How the coded picture was turned. Already applied."""
        return self._native.rotation()

    @property
    def pixels(self) -> memoryview:
        """The pixels, in place and read-only: red, green, blue, row by row from the top, without padding."""
        block = (ctypes.c_ubyte * self._native.rgb_length()).from_address(self._native.rgb_address())
        # Every view of the block holds the block, and the block holds what owns the memory.
        block.owner = self._native  # type: ignore[attr-defined]
        return memoryview(block).cast("B").toreadonly()

    def __bytes__(self) -> bytes:
        return bytes(self.pixels)

    def __buffer__(self, flags: int) -> memoryview:
        return self.pixels

    def __repr__(self) -> str:
        return f"<reelkin.Frame {self.width}x{self.height} at {self.time.total_seconds():.3f} s>"

    def to_png(self) -> bytes:
        """The picture as a PNG file."""
        return self._native.to_png()

    def to_jpeg(self, quality: int = 90) -> bytes:
        """The picture as a JPEG file; quality from 1 to 100."""
        return self._native.to_jpeg(quality)

    def to_numpy(self) -> numpy.ndarray[Any, Any]:
        """The pixels in place: height x width x 3 of uint8, read-only. Needs numpy."""
        import numpy

        return numpy.frombuffer(self.pixels, dtype=numpy.uint8).reshape(self.height, self.width, 3)

    def to_pil(self) -> PIL.Image.Image:
        """The picture as a PIL image. Needs Pillow."""
        import PIL.Image

        return PIL.Image.frombytes("RGB", (self.width, self.height), bytes(self))

    def psnr(self, other: Frame) -> float:
        """How alike two frames of one size are, in decibels; infinite for equal ones."""
        return self._native.psnr(_values.one_of("other", other, Frame)._native)

    def _repr_png_(self) -> bytes:
        return self.to_png()


def _restored(kind: type[Frame], width: int, height: int, rgb: bytes, origin: _native.FrameOrigin) -> Frame:
    """A frame that was pickled."""
    return kind(_native.Frame.restore(width, height, rgb, origin))


def bounds(
    deadline: Optional[Seconds], max_pixels: Optional[int], max_decoded_bytes: Optional[int]
) -> _native.MediaOptions:
    return _native.MediaOptions(
        deadline=_values.given(_values.duration, "deadline", deadline),
        max_pixels=_values.given(_values.count, "max_pixels", max_pixels),
        max_decoded_bytes=_values.given(_values.count, "max_decoded_bytes", max_decoded_bytes),
    )


async def frame(
    source: Media,
    position: Union[_native.FramePosition, Seconds, str] = "last",
    *,
    deadline: Optional[Seconds] = None,
    max_pixels: Optional[int] = None,
    max_decoded_bytes: Optional[int] = None,
) -> Frame:
    """One frame of a file or of bytes, exactly the one that a player shows.

    `position` is `"first"`, `"last"`, a time, or a `FramePosition`. Of a clip of a library `VideoClient.frame` takes
    them. `deadline` is 60 s, `max_pixels` 8192 times 8192, `max_decoded_bytes` 4 GiB unless given.

    Raises `MediaError` for what cannot be read, `NotFoundError`, `TimeoutError`. Cancelling interrupts the decoder.
    """
    limits = bounds(deadline, max_pixels, max_decoded_bytes)
    return Frame(await _native.frame(_values.media("source", source), _values.position(position), limits))


async def frames(
    source: Media,
    positions: Sequence[Union[_native.FramePosition, Seconds, str]],
    *,
    deadline: Optional[Seconds] = None,
    max_pixels: Optional[int] = None,
    max_decoded_bytes: Optional[int] = None,
) -> list[Frame]:
    """Several frames of a file or of bytes in one pass, in the order in which they were asked for.

    All of them are in memory at once. Otherwise as `frame`.
    """
    if isinstance(positions, str) or not isinstance(positions, Sequence):
        raise _values.wrong("positions", positions, "a list of positions")
    limits = bounds(deadline, max_pixels, max_decoded_bytes)
    wanted = [_values.position(position) for position in positions]
    return [Frame(found) for found in await _native.frames(_values.media("source", source), wanted, limits)]


async def probe(
    source: Media,
    *,
    deadline: Optional[Seconds] = None,
    max_pixels: Optional[int] = None,
    max_decoded_bytes: Optional[int] = None,
) -> _native.Probe:
    """What a clip or a picture is: size, length, codecs, colours. Errors and bounds as for `frame`."""
    limits = bounds(deadline, max_pixels, max_decoded_bytes)
    return await _native.probe(_values.media("source", source), limits)
