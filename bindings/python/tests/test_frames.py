"""Frames, probes, and their conversions."""

from __future__ import annotations

import asyncio
import collections
import datetime
import gc
import hashlib
import io
import sys
import threading
import zlib
from pathlib import Path
from typing import Any

import numpy
import PIL.Image
import pytest

import reelkin
from conftest import Studio
from reelkin import _media

RED_GREEN = bytes([255, 0, 0, 0, 255, 0] * 2)


@pytest.fixture
def small() -> reelkin.Frame:
    return reelkin.Frame.from_rgb(2, 2, RED_GREEN)


def test_pixels_are_not_copied(small: reelkin.Frame) -> None:
    view = small.pixels
    assert view.readonly and view.nbytes == 12 and bytes(view) == bytes(small) == RED_GREEN
    array = small.to_numpy()
    assert array.shape == (2, 2, 3) and not array.flags.writeable and not array.flags.owndata
    assert array.__array_interface__["data"][0] == numpy.frombuffer(view, numpy.uint8).__array_interface__["data"][0]
    del small, view
    gc.collect()
    # The array keeps the pixels alive.
    others = [reelkin.Frame.from_rgb(2, 2, bytes(12)) for _ in range(1000)]
    assert array.tobytes() == RED_GREEN and len(others) == 1000
    if sys.version_info >= (3, 12):
        assert bytes(memoryview(others[0])) == bytes(12)


def test_numpy_reads_a_frame_without_a_copy(small: reelkin.Frame) -> None:
    array = numpy.asarray(small)
    assert array.shape == (2, 2, 3) and array.dtype == numpy.uint8 and array.tobytes() == RED_GREEN
    assert not array.flags.writeable
    assert array.__array_interface__["data"] == small.__array_interface__["data"]
    del small
    gc.collect()
    others = [reelkin.Frame.from_rgb(2, 2, bytes(12)) for _ in range(1000)]
    assert array.tobytes() == RED_GREEN and len(others) == 1000


def test_image_formats(small: reelkin.Frame) -> None:
    image = small.to_pil()
    assert image.size == (2, 2) and image.getpixel((1, 0)) == (0, 255, 0)
    png = small._repr_png_()
    assert PIL.Image.open(io.BytesIO(png)).tobytes() == RED_GREEN
    assert PIL.Image.open(io.BytesIO(small.to_jpeg(95))).size == (2, 2)
    assert small.psnr(small) == float("inf")
    with pytest.raises(reelkin.Error):
        small.to_jpeg(101)
    with pytest.raises(TypeError, match="other must be a reelkin.Frame"):
        small.psnr(png)  # type: ignore[arg-type]  # pyright: ignore
    with pytest.raises(reelkin.MediaError) as caught:
        reelkin.Frame.from_rgb(2, 2, b"short")
    assert isinstance(caught.value, ValueError)


def test_every_image_type_is_the_same_input(studio: Studio, tmp_path: Path) -> None:
    async def run() -> None:
        async with studio() as (client, _):
            frame = await client.frame(await client.generate("a bay", duration=1), "first")
            file = tmp_path / "start.png"
            file.write_bytes(frame.to_png())
            hashes = set()
            for image in (frame, frame.to_pil(), frame.to_numpy(), frame.to_png(), file, str(file)):
                clip = await client.generate("go", image=image, duration=1)
                assert clip.record and clip.record.reelkin and clip.record.reelkin.inputs
                hashes.add(clip.record.reelkin.inputs[0].sha256)
            assert len(hashes) == 1

    asyncio.run(run())


def test_positions(studio: Studio, tmp_path: Path) -> None:
    async def run() -> None:
        async with studio() as (client, _):
            clip = await client.generate("a clock", duration=1)
            assert clip.path is not None
            half = datetime.timedelta(seconds=0.5)
            frames = await reelkin.frames(clip.path, ["first", "last", 0.5, half, reelkin.FramePosition.Number(3)])
            assert [frame.number for frame in frames] == [0, 23, 12, 12, 3]
            assert (await reelkin.frame(clip.path.read_bytes(), "last")).to_png() == frames[1].to_png()
            assert (await client.frame(clip.id, 0.5)).to_png() == frames[2].to_png()
            assert (await client.frame(clip.path)).number == 23
            assert frames[0].time == datetime.timedelta(0) and frames[0].time_base.numerator == 1
            probe = await reelkin.probe(clip.path)
            assert probe.video.frames == 24 and (probe.video.width, probe.video.height) == (
                frames[0].width,
                frames[0].height,
            )
            for wrong in ("middle", -1, "0.5"):
                with pytest.raises(ValueError):
                    await reelkin.frame(clip.path, wrong)  # type: ignore[arg-type]  # pyright: ignore
            with pytest.raises(reelkin.MediaError):
                await reelkin.frame(clip.path, 99)
            with pytest.raises(reelkin.MediaError):
                await reelkin.frame(clip.path, max_pixels=100)
            with pytest.raises(reelkin.InvalidRequestError):
                await reelkin.frame(clip)
            html = clip._repr_html_()
            assert html is not None and html.startswith("<video") and "base64," in html
            clip.path.unlink()
            assert clip._repr_html_() is None

    asyncio.run(run())


@pytest.mark.parametrize("content", [b"", b"junk" * 1000, b"\x00\x00\x00\x18ftypisom" + zlib.compress(b"x" * 4096)])
def test_invalid_clips(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "a.mp4"
    file.write_bytes(content)
    for source in (content, file):
        with pytest.raises(reelkin.MediaError) as caught:
            asyncio.run(reelkin.frame(source))
        assert caught.value.code == "media"
    with pytest.raises(reelkin.NotFoundError):
        asyncio.run(reelkin.probe(tmp_path / "nobody.mp4"))


def test_arrays_that_are_not_images(studio: Studio) -> None:
    async def run() -> None:
        async with studio() as (client, _):
            for array in (
                numpy.zeros((4, 4)),
                numpy.zeros((4, 4, 2), numpy.uint8),
                numpy.zeros((4, 4, 3)),
                numpy.zeros(4, numpy.uint8),
            ):
                with pytest.raises(ValueError, match="image must be an array of uint8 with the shape"):
                    await client.generate("x", image=array)

    asyncio.run(run())


def test_every_layout_of_pixels_is_sent_unchanged() -> None:
    numbers = numpy.random.default_rng(7)
    images: list[PIL.Image.Image] = []
    for shape in ((5, 7), (5, 7, 1), (5, 7, 3), (5, 7, 4)):
        array = numbers.integers(0, 256, shape, dtype=numpy.uint8)
        assert numpy.array_equal(_sent(array), array.reshape(_sent(array).shape)), shape
        images.append(PIL.Image.fromarray(array.squeeze()))
    images += [images[-1].convert("LA"), images[2].convert("P"), images[2].convert("CMYK"), images[2].convert("1")]
    for image in images:
        expected = image if image.mode in ("L", "LA", "RGB", "RGBA") else image.convert("RGB")
        assert numpy.array_equal(_sent(image), numpy.asarray(expected)), image.mode
    # A view that is not contiguous.
    flipped = numpy.asarray(images[2])[::-1, ::-1]
    assert numpy.array_equal(_sent(flipped), flipped)


def test_alpha_in_any_form_is_sent() -> None:
    def transparent(mode: str, key: Any) -> PIL.Image.Image:
        image = PIL.Image.new(mode, (2, 1))
        image.info["transparency"] = key
        return image

    palette = PIL.Image.new("P", (2, 1))
    palette.putpalette([255, 0, 0, 128], "RGBA")
    premultiplied = PIL.Image.new("RGBA", (2, 1), (200, 100, 0, 128)).convert("RGBa")
    for image in (
        transparent("L", 0),
        transparent("RGB", (0, 0, 0)),
        transparent("P", 0),
        palette,
        premultiplied,
        PIL.Image.new("LA", (2, 1), (9, 128)).convert("La"),
    ):
        sent = _sent(image)
        assert sent.shape[-1] in (2, 4) and (sent[..., -1] < 255).all(), image.mode


@pytest.mark.parametrize("mode", ["I", "F", "I;16"])
def test_images_with_more_than_8_bits_are_refused(mode: str) -> None:
    with pytest.raises(ValueError, match=f"image must be an image with 8 bits per channel, not of mode {mode}"):
        _sent(PIL.Image.new(mode, (2, 1)))


def test_an_image_can_be_used_by_several_calls_and_changed_after_them(studio: Studio, tmp_path: Path) -> None:
    noise = numpy.random.default_rng(7).integers(0, 256, (300, 300, 3), dtype=numpy.uint8)
    file = tmp_path / "noise.jpg"
    PIL.Image.fromarray(noise).save(file)
    expected = hashlib.sha256(_png(PIL.Image.open(file))).hexdigest()

    async def run() -> None:
        async with studio() as (client, _):
            # Not read before.
            shared = PIL.Image.open(file)
            clips = await asyncio.gather(*(client.generate(word, image=shared, duration=1) for word in "abcd"))
            assert {_input_hash(clip) for clip in clips} == {expected}

            array = noise.copy()
            task = asyncio.create_task(client.generate("x", image=array, duration=1))
            await asyncio.sleep(0)
            array[:] = 0
            assert _input_hash(await task) == hashlib.sha256(_png(noise)).hexdigest()

    asyncio.run(run())


def _input_hash(clip: reelkin.Clip) -> str | None:
    assert clip.record and clip.record.reelkin and clip.record.reelkin.inputs
    return clip.record.reelkin.inputs[0].sha256


def _png(image: reelkin.Media) -> bytes:
    converted = _media.media("image", image)
    assert isinstance(converted, reelkin.MediaInput.Bytes)
    return converted.bytes


def _sent(image: reelkin.Media) -> numpy.ndarray[Any, Any]:
    """Returns the pixels of the file that is sent for an image."""
    return numpy.asarray(PIL.Image.open(io.BytesIO(_png(image))))


def test_pixels_are_not_encoded_on_the_event_loop(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[threading.Thread] = []
    encode = _media._to_png

    def watch(name: str, value: Any) -> bytes | None:
        threads.append(threading.current_thread())
        return encode(name, value)

    monkeypatch.setattr(_media, "_to_png", watch)

    async def run() -> None:
        async with studio() as (client, _):
            array = numpy.zeros((64, 64, 3), numpy.uint8)
            clip = await client.generate("x", image=array, duration=1)
            await client.estimate("x", references=collections.deque([array, PIL.Image.fromarray(array)]))
            await client.estimate("x", keyframes={1: await client.frame(clip)}, model="grok-imagine-video-1.5")
            await reelkin.probe(array)

    asyncio.run(run())
    assert len(threads) == 5
    assert threading.main_thread() not in threads
