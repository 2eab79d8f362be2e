"""The class `Frame`."""

from __future__ import annotations

import ctypes
import datetime
from typing import TYPE_CHECKING, Any, Optional, Union

from . import _native, _values
from ._typing import Self

if TYPE_CHECKING:
    import numpy
    import PIL.Image

    Array = numpy.ndarray[Any, Any]
    Image = PIL.Image.Image
else:
    Array = Image = Any


class Frame:
    """A decoded frame as a player shows it: packed RGB, 8 bits per channel, top row first, rotated upright.

    The pixels are in the native library's memory and are read-only. `pixels`, `to_numpy()`, `numpy.asarray(frame)` and,
    on Python 3.12 or later, `memoryview(frame)` access them without a copy and keep them alive. `bytes(frame)`,
    `to_pil()`, `to_png()` and `to_jpeg()` make copies. Notebooks display the frame.
    """

    def __init__(self, native: _native.Frame) -> None:
        self._native = _values.instance("native", native, _native.Frame)

    # Pixels are immutable, so a copy within the process can be the frame itself. Pickling copies the pixels.

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: Any) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self.width, self.height, bytes(self), self._native.origin())

    @classmethod
    def from_rgb(cls, width: int, height: int, rgb: Union[bytes, bytearray, memoryview]) -> Frame:
        """Creates a frame from packed RGB pixels: width x height x 3 bytes.

        Raises `MediaError` if `rgb` has another size.
        """
        if not isinstance(rgb, (bytes, bytearray, memoryview)):
            raise _values.type_error("rgb", rgb, "bytes")
        return cls(_native.Frame.from_rgb(_values.count("width", width), _values.count("height", height), bytes(rgb)))

    @property
    def width(self) -> int:
        """The width in pixels."""
        return self._native.width()

    @property
    def height(self) -> int:
        """The height in pixels."""
        return self._native.height()

    @property
    def pts(self) -> int:
        """The presentation timestamp (PTS), in units of `time_base`."""
        return self._native.origin().pts

    @property
    def time_base(self) -> _native.TimeBase:
        """The time base of the stream."""
        return self._native.origin().time_base

    @property
    def time(self) -> datetime.timedelta:
        """The playback time at which a player shows this frame."""
        return self._native.origin().time

    @property
    def number(self) -> Optional[int]:
        """The index of the frame in presentation order, from 0, if known."""
        return self._native.origin().number

    @property
    def color(self) -> _native.ColorInfo:
        """The color matrix and range used for the conversion, and whether the clip states them or they were assumed."""
        return self._native.origin().color

    @property
    def rotation(self) -> _native.Rotation:
        """The rotation stated by the clip. It is already applied."""
        return self._native.origin().rotation

    @property
    def pixels(self) -> memoryview:
        """A read-only view of the pixels: red, green, blue, row by row from the top, without padding."""
        block = (ctypes.c_ubyte * self._native.rgb_length()).from_address(self._native.rgb_address())
        # Every view references the block, and the block references the owner of the memory.
        block.owner = self._native  # type: ignore[attr-defined]
        return memoryview(block).cast("B").toreadonly()

    def __bytes__(self) -> bytes:
        return bytes(self.pixels)

    def __buffer__(self, flags: int) -> memoryview:
        return self.pixels.cast("B", (self.height, self.width, 3))

    @property
    def __array_interface__(self) -> dict[str, Any]:
        """Describes the pixels as an array of shape (height, width, 3), for numpy."""
        return {
            "version": 3,
            "shape": (self.height, self.width, 3),
            "typestr": "|u1",
            "data": (self._native.rgb_address(), True),
        }

    def __repr__(self) -> str:
        return f"<reelkin.Frame {self.width}x{self.height} at {self.time.total_seconds():.3f} s>"

    def to_png(self) -> bytes:
        """Encodes the frame as a PNG file."""
        return self._native.to_png()

    def to_jpeg(self, quality: int = 90) -> bytes:
        """Encodes the frame as a JPEG file with a quality from 1 to 100."""
        return self._native.to_jpeg(_values.count("quality", quality))

    def to_numpy(self) -> Array:
        """Returns a read-only array of shape (height, width, 3) over the pixels, without a copy. Requires numpy."""
        import numpy

        return numpy.frombuffer(self.pixels, dtype=numpy.uint8).reshape(self.height, self.width, 3)

    def to_pil(self) -> Image:
        """Converts the frame to a PIL image. Requires Pillow."""
        import PIL.Image

        return PIL.Image.frombytes("RGB", (self.width, self.height), bytes(self))

    def psnr(self, other: Frame) -> float:
        """Returns the PSNR of two frames of the same size in decibels; infinity for identical frames."""
        return self._native.psnr(_values.instance("other", other, Frame)._native)

    def _repr_png_(self) -> bytes:
        return self.to_png()


def _restore(kind: type[Frame], width: int, height: int, rgb: bytes, origin: _native.FrameOrigin) -> Frame:
    """Unpickles a frame."""

    return kind(_native.Frame.restore(width, height, rgb, origin))
