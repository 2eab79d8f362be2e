"""Compares decoding frames with the wheel to PyAV, OpenCV, decord and torchcodec, in turns, in one process.

    benches/peers/frames.sh          installs the packages into target/bench/frames and runs this script

Each peer uses its fastest method that returns the last frame, as ffmpeg decodes it. A peer that returns another frame of a
clip is not compared on that clip, and is reported on standard error.
"""

from __future__ import annotations

import importlib.metadata
import math
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from reelkin import sync as reelkin
from rows import SHORT, pair, print_row, turns

Pixels = np.ndarray
LastFrame = Callable[[Path], Pixels]


def ours(path: Path) -> Pixels:
    return reelkin.frame(path, "last").to_numpy()


# --- PyAV --------------------------------------------------------------------------------------------------------


def pyav(threads: str) -> LastFrame:
    import av

    def last(path: Path) -> Pixels:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            stream.thread_type = threads
            container.seek(2**62, stream=stream)
            found = None
            for frame in container.decode(stream):
                if found is None or frame.pts > found.pts:
                    found = frame
            return found.to_ndarray(format="rgb24")

    return last


# --- OpenCV ------------------------------------------------------------------------------------------------------


def opencv(path: Path) -> Pixels:
    import cv2

    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    capture.set(cv2.CAP_PROP_POS_FRAMES, capture.get(cv2.CAP_PROP_FRAME_COUNT) - 1)
    _, frame = capture.read()
    capture.release()
    return cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)


# --- decord ------------------------------------------------------------------------------------------------------


def decord(path: Path) -> Pixels:
    import decord as module

    return module.VideoReader(str(path))[-1].asnumpy()


# --- torchcodec --------------------------------------------------------------------------------------------------


def torchcodec(mode: str, threads: int) -> LastFrame:
    from torchcodec.decoders import VideoDecoder

    def last(path: Path) -> Pixels:
        decoder = VideoDecoder(str(path), dimension_order="NHWC", num_ffmpeg_threads=threads, seek_mode=mode)
        return decoder[-1].numpy()

    return last


def peers() -> dict[str, LastFrame]:
    """Returns the methods of all installed peers. The fastest method of a peer counts."""
    cores = os.cpu_count() or 1
    methods: dict[str, Callable[[], LastFrame]] = {
        "PyAV": lambda: pyav("SLICE"),
        "PyAV, all threads": lambda: pyav("AUTO"),
        "OpenCV": lambda: __import__("cv2") and opencv,
        "decord": lambda: __import__("decord") and decord,
        "torchcodec, exact": lambda: torchcodec("exact", 1),
        "torchcodec, approximate": lambda: torchcodec("approximate", 1),
        "torchcodec, approximate, all threads": lambda: torchcodec("approximate", cores),
    }
    found = {}
    for name, method in methods.items():
        try:
            found[name] = method()
        except (ImportError, OSError, RuntimeError) as error:
            print(f"skipping {name}: {str(error).splitlines()[0]}", file=sys.stderr)
    return found


DISTRIBUTIONS = {"PyAV": "av", "OpenCV": "opencv-python-headless", "decord": "decord", "torchcodec": "torchcodec"}


def with_version(method: str) -> str:
    name, _, rest = method.partition(", ")
    return f"{name} {importlib.metadata.version(DISTRIBUTIONS[name])}{', ' if rest else ''}{rest}"


# --- what is compared ----------------------------------------------------------------------------------------------


def last_two_by_ffmpeg(path: Path, shape: Sequence[int]) -> tuple[Pixels, Pixels]:
    """Decodes the whole clip with ffmpeg, as the reference. Returns the last frame and the one before it."""
    command = ["ffmpeg", "-nostdin", "-v", "error", "-i", str(path), "-map", "0:v:0", "-vsync", "passthrough"]
    command += ["-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    size = math.prod(shape)
    last = before = b""
    with subprocess.Popen(command, stdout=subprocess.PIPE) as program:
        while part := program.stdout.read(size):
            last, before = part, last
    return np.frombuffer(last, np.uint8).reshape(shape), np.frombuffer(before, np.uint8).reshape(shape)


def is_last(frame: Pixels, last: Pixels, before: Pixels) -> bool:
    """Returns whether the frame is closer to the last one. Compares brightness only, because color conversions differ."""
    if frame.shape != last.shape:
        return False
    gray = [picture.astype(np.float32).mean(axis=2) for picture in (frame, last, before)]
    return float(np.abs(gray[0] - gray[1]).mean()) < float(np.abs(gray[0] - gray[2]).mean())


def last_frames(clips: list[Path]) -> None:
    walls, cpus = [], []
    for clip in clips:
        frame = ours(clip)
        truth = last_two_by_ffmpeg(clip, frame.shape)
        if not is_last(frame, *truth):
            sys.exit(f"reelkin did not return the last frame of {clip.name}")
        sides: dict[str, Callable[[], object]] = {"reelkin": lambda clip=clip: ours(clip)}
        wrong = []
        for name, peer in peers().items():
            try:
                right = is_last(peer(clip), *truth)
            except Exception as error:  # noqa: BLE001 - a peer that raises any exception has no frame
                print(f"{clip.name}: {name} fails: {str(error).splitlines()[0]}", file=sys.stderr)
                right = False
            if right:
                sides[name] = lambda peer=peer, clip=clip: peer(clip)
            else:
                wrong.append(name)
        times = turns(sides, 3 if SHORT else 9)
        note = f"not the last frame: {', '.join(wrong)}" if wrong else None
        walls.append(against_fastest(clip, "wall", 0, times, 1.0, note))
        cpus.append(against_fastest(clip, "cpu", 1, times, 0.75, note))
    for figure, ratios, limit in (("wall, geometric mean", walls, 0.8), ("cpu, geometric mean", cpus, 0.75)):
        mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
        print_row("last frame, Python", "all clips", figure, "", mean, peer="fastest of each", theirs=1.0, limit=limit)


def against_fastest(clip: Path, figure: str, column: int, times: dict, limit: float, note: str | None) -> float:
    columns = {name: [run[column] for run in runs] for name, runs in times.items()}
    mine = columns.pop("reelkin")
    fastest = min(columns, key=lambda name: sorted(columns[name])[len(columns[name]) // 2])
    for name, values in columns.items():
        print(f"{clip.name}, {figure}: {name} {sorted(values)[len(values) // 2]:.1f} ms", file=sys.stderr)
    return pair("last frame, Python", clip.name, figure, "ms", with_version(fastest), mine, columns[fastest], limit=limit, note=note)


# --- many clips ----------------------------------------------------------------------------------------------------


def many_clips(clip: Path, count: int) -> None:
    """Decodes the first and last frame of many clips, with one thread per core. The decoders of the peers use one thread
    each, which is fastest here. reelkin chooses the number of threads itself."""
    clips = [clip] * count

    def by(one: Callable[[Path], object]) -> Callable[[], object]:
        def run() -> None:
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                for _ in pool.map(one, clips):
                    pass

        return run

    def with_pyav(path: Path) -> object:
        import av

        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            first = next(container.decode(stream)).to_ndarray(format="rgb24")
        return first, pyav("SLICE")(path)

    def with_opencv(path: Path) -> object:
        import cv2

        capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
        frames = [capture.read()[1]]
        capture.set(cv2.CAP_PROP_POS_FRAMES, capture.get(cv2.CAP_PROP_FRAME_COUNT) - 1)
        frames.append(capture.read()[1])
        return [cv2.cvtColor(frame, cv2.COLOR_BGR2RGB) for frame in frames]

    def with_decord(path: Path) -> object:
        import decord as module

        reader = module.VideoReader(str(path), num_threads=1)
        return reader.get_batch([0, len(reader) - 1]).asnumpy()

    def with_torchcodec(path: Path) -> object:
        from torchcodec.decoders import VideoDecoder

        decoder = VideoDecoder(str(path), dimension_order="NHWC", num_ffmpeg_threads=1, seek_mode="approximate")
        return decoder.get_frames_at([0, len(decoder) - 1]).data.numpy()

    sides: dict[str, Callable[[], object]] = {"reelkin": by(lambda path: reelkin.frames(path, ["first", "last"]))}
    installed = {method.partition(", ")[0] for method in peers()}
    for name, one in {"PyAV": with_pyav, "OpenCV": with_opencv, "decord": with_decord, "torchcodec": with_torchcodec}.items():
        if name in installed:
            sides[name] = by(one)
    times = turns(sides, 2 if SHORT else 5)
    walls = {name: sorted(run[0] for run in runs)[len(runs) // 2] for name, runs in times.items()}
    fastest = min((name for name in walls if name != "reelkin"), key=walls.__getitem__)
    for name, wall in walls.items():
        print(f"{count} clips: {name} {count / wall * 1e3:.1f} clips/s", file=sys.stderr)
    print_row(
        "frames, Python", f"first and last of {count} clips", "wall for a clip", "ms", walls["reelkin"] / count,
        peer=with_version(fastest), theirs=walls[fastest] / count, value=walls["reelkin"] / walls[fastest], limit=1.0,
    )


if __name__ == "__main__":
    folder, *others = map(Path, sys.argv[1:])
    clips = sorted(folder.glob("*.mp4")) + others
    if SHORT:
        clips = [clip for clip in clips if "15s" not in clip.name and "1080p" not in clip.name]
    last_frames(clips)
    many_clips(folder / "h264-720p-6s.mp4", 4 if SHORT else 16)
