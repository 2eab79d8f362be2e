"""Builds request records from keyword arguments. The client's defaults apply to arguments that are left out.

The `Args` section of each builder also documents the client methods that take the same arguments.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence, Set
from typing import TYPE_CHECKING, Any, Literal, Optional, Protocol, TypeVar, Union

from . import _media, _native, _values
from ._media import Media
from ._native import (
    AnalyzeOptions,
    ChainRequest,
    ChainStart,
    ContinueRequest,
    ContinueStrategy,
    EditRequest,
    ExtendRequest,
    FrameChoice,
    GenerateMode,
    GenerateRequest,
    Keyframe,
    MediaInput,
    PlannerSettings,
    StorageOptions,
    TransportChoice,
    UploadTarget,
)
from ._values import AspectRatio, Resolution, Seconds, Usd, VideoModel, optional

if TYPE_CHECKING:
    from typing_extensions import Concatenate, ParamSpec

    P = ParamSpec("P")
R = TypeVar("R")
Strategies = Literal["last_frame", "extend", "auto"]
Transports = Literal["auto", "inline", "upload", "upload_and_keep"]


class Keyframes(Protocol):
    """A dictionary of images by their times. `Mapping` would not accept one whose keys are all of the same type."""

    def items(self) -> Set[tuple[Seconds, Media]]: ...


def accepts(kind: type[R]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Lets a builder take a complete request as its only argument, and return it."""

    def decorate(build: Callable[P, R]) -> Callable[P, R]:
        name = next(iter(inspect.signature(build).parameters))

        @functools.wraps(build)
        def accepting(*args: P.args, **kwargs: P.kwargs) -> R:
            first = args[0] if args else kwargs.get(name)
            if not isinstance(first, kind):
                return build(*args, **kwargs)
            if len(args) + len(kwargs) > 1:
                raise TypeError(f"a {kind.__name__} takes no other arguments: use its method replace")
            return first

        return accepting

    return decorate


@accepts(GenerateRequest)
def generate_request(
    prompt: Union[str, GenerateRequest, None] = None,
    *,
    image: Optional[Media] = None,
    references: Sequence[Media] = (),
    last_frame: Optional[Media] = None,
    keyframes: Optional[Keyframes] = None,
    voices: Sequence[str] = (),
    model: Optional[VideoModel] = None,
    duration: Optional[Seconds] = None,
    resolution: Optional[Resolution] = None,
    aspect_ratio: Optional[AspectRatio] = None,
    audio: Optional[bool] = None,
    plan: Union[bool, PlannerSettings, None] = None,
    topic: Optional[str] = None,
    user: Optional[str] = None,
    storage: Optional[StorageOptions] = None,
    output: Optional[UploadTarget] = None,
) -> GenerateRequest:
    """Builds a request for a new clip.

    Args:
        prompt: What the clip shows. Optional if there are images. A complete request takes the place of all arguments.
        image: The first frame of the clip.
        references: Up to 14 images to guide the style and content. `<IMAGE_0>` in the prompt refers to the first.
        last_frame: The last frame of the clip.
        keyframes: Up to 4 images to show at the given times: seconds or a `timedelta`.
        voices: Voices for speech. `<AUDIO_0>` in the prompt refers to the first.
        model: The model to use.
        duration: The length of the clip in whole seconds.
        resolution: The resolution, such as `"720p"`.
        aspect_ratio: The aspect ratio, such as `"16:9"`.
        audio: Whether the clip has sound.
        plan: Whether a language model rewrites the prompt first, which is an additional paid call.
        topic: The series that the clip belongs to.
        user: The id of your end user, for the service's abuse monitoring.
        storage: Also stores the clip in the service's Files API.
        output: Where the service uploads the clip instead of its own CDN.
    """
    return GenerateRequest(
        prompt=optional(_values.text, "prompt", prompt),
        mode=_mode(image, references, last_frame, keyframes),
        voices=_values.texts("voices", voices),
        model=optional(_values.text, "model", model),
        duration=optional(_values.duration, "duration", duration),
        resolution=optional(_values.text, "resolution", resolution),
        aspect_ratio=optional(_values.text, "aspect_ratio", aspect_ratio),
        audio=optional(_values.flag, "audio", audio),
        user=optional(_values.text, "user", user),
        storage=storage,
        output=output,
        plan=_values.plan(plan),
        topic=optional(_values.text, "topic", topic),
    )


def _mode(
    image: Optional[Media],
    references: Sequence[Media],
    last_frame: Optional[Media],
    keyframes: Optional[Keyframes],
) -> GenerateMode:
    first = optional(_media.media, "image", image)
    if isinstance(references, (str, bytes)) or not isinstance(references, Sequence):
        raise _values.type_error("references", references, "a list of images")
    if keyframes is not None and not isinstance(keyframes, Mapping):
        raise _values.type_error("keyframes", keyframes, "a dict of seconds to images")
    pinned = last_frame is not None or keyframes
    if pinned and references:
        raise ValueError("references cannot be combined with last_frame or keyframes: leave one of them out")
    if pinned:
        return GenerateMode.Frames(
            first,
            optional(_media.media, "last_frame", last_frame),
            [
                Keyframe(at=_values.duration("keyframes", at), image=_media.media("keyframe", frame))
                for at, frame in (keyframes or {}).items()
            ],
        )
    if references:
        return GenerateMode.References([_media.media("reference", reference) for reference in references], first)
    return GenerateMode.Image(first) if first is not None else GenerateMode.Text()


@accepts(EditRequest)
def edit_request(
    clip: Union[Media, EditRequest],
    prompt: Optional[str] = None,
    *,
    model: Optional[VideoModel] = None,
    plan: Union[bool, PlannerSettings, None] = None,
    transport: Union[TransportChoice, Transports] = "auto",
    user: Optional[str] = None,
    storage: Optional[StorageOptions] = None,
    output: Optional[UploadTarget] = None,
) -> EditRequest:
    """Builds a request to edit a clip.

    Args:
        clip: The clip to edit. A complete request takes the place of all arguments.
        prompt: What to change.
        model: The model to use.
        plan: Whether a language model rewrites the prompt first, which is an additional paid call.
        transport: How a local clip is sent to the service.
        user: The id of your end user, for the service's abuse monitoring.
        storage: Also stores the clip in the service's Files API.
        output: Where the service uploads the clip instead of its own CDN.
    """
    return EditRequest(
        video=_media.video("clip", clip),
        prompt=_values.text("prompt", prompt),
        model=optional(_values.text, "model", model),
        transport=_values.choice("transport", transport, TransportChoice),
        plan=_values.plan(plan),
        user=optional(_values.text, "user", user),
        storage=storage,
        output=output,
    )


@accepts(ExtendRequest)
def extend_request(
    clip: Union[Media, ExtendRequest],
    prompt: Optional[str] = None,
    *,
    duration: Optional[Seconds] = None,
    model: Optional[VideoModel] = None,
    plan: Union[bool, PlannerSettings, None] = None,
    transport: Union[TransportChoice, Transports] = "auto",
    storage: Optional[StorageOptions] = None,
    output: Optional[UploadTarget] = None,
) -> ExtendRequest:
    """Builds a request to extend a clip. The result holds the original and the added seconds.

    Args:
        clip: The clip to extend, 2 to 15 s long. A complete request takes the place of all arguments.
        prompt: What happens in the added seconds.
        duration: The length to add, 2 to 10 whole seconds. Defaults to 6.
        model: The model to use.
        plan: Whether a language model rewrites the prompt first, which is an additional paid call.
        transport: How a local clip is sent to the service.
        storage: Also stores the clip in the service's Files API.
        output: Where the service uploads the clip instead of its own CDN.
    """
    return ExtendRequest(
        video=_media.video("clip", clip),
        prompt=_values.text("prompt", prompt),
        model=optional(_values.text, "model", model),
        duration=optional(_values.duration, "duration", duration),
        transport=_values.choice("transport", transport, TransportChoice),
        plan=_values.plan(plan),
        storage=storage,
        output=output,
    )


@accepts(ContinueRequest)
def continue_request(
    prompt: Union[str, ContinueRequest, None] = None,
    *,
    strategy: Union[ContinueStrategy, Strategies] = "last_frame",
    sharpest_of_last: Optional[int] = None,
    model: Optional[VideoModel] = None,
    duration: Optional[Seconds] = None,
    resolution: Optional[Resolution] = None,
    aspect_ratio: Optional[AspectRatio] = None,
    audio: Optional[bool] = None,
    plan: Union[bool, PlannerSettings, None] = None,
    user: Optional[str] = None,
    storage: Optional[StorageOptions] = None,
) -> ContinueRequest:
    """Builds a request for a clip that continues another clip.

    Args:
        prompt: What happens next. Without it, the planner writes a prompt. A complete request takes the place of all
            arguments but the clip.
        strategy: Whether to start from the last frame, to use the service's extension, or to choose automatically.
        sharpest_of_last: Starts from the sharpest of this many last frames (2 to 48), for clips that end in a fade.
        model: The model to use.
        duration: The length of the clip in whole seconds.
        resolution: The resolution, such as `"720p"`.
        aspect_ratio: The aspect ratio, such as `"16:9"`.
        audio: Whether the clip has sound.
        plan: Whether a language model rewrites the prompt first, which is an additional paid call. Defaults to true
            unless the client's planner settings differ.
        user: The id of your end user, for the service's abuse monitoring.
        storage: Also stores the clip in the service's Files API.
    """
    frame = FrameChoice.Last() if sharpest_of_last is None else FrameChoice.SharpestOfLast(sharpest_of_last)
    return ContinueRequest(
        prompt=optional(_values.text, "prompt", prompt),
        strategy=_values.choice("strategy", strategy, ContinueStrategy),
        frame=frame,
        model=optional(_values.text, "model", model),
        duration=optional(_values.duration, "duration", duration),
        resolution=optional(_values.text, "resolution", resolution),
        aspect_ratio=optional(_values.text, "aspect_ratio", aspect_ratio),
        audio=optional(_values.flag, "audio", audio),
        user=optional(_values.text, "user", user),
        storage=storage,
        plan=_values.plan(plan),
    )


def with_clip(request: Callable[P, R]) -> Callable[Concatenate[Media, P], tuple[MediaInput, R]]:
    """Adds an argument for a clip in front of a builder's arguments."""

    def with_clip(clip: Media, *args: P.args, **kwargs: P.kwargs) -> tuple[MediaInput, R]:
        return _media.video("clip", clip), request(*args, **kwargs)

    first = inspect.Parameter("clip", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=Media)
    signature = inspect.signature(request)
    vars(with_clip)["__signature__"] = signature.replace(parameters=[first, *signature.parameters.values()])
    with_clip.__annotations__ = {"clip": Media, **request.__annotations__}
    with_clip.__doc__ = request.__doc__
    # `Concatenate` cannot express that the first argument can also be given by name.
    return with_clip  # type: ignore[return-value]  # pyright: ignore[reportReturnType]


@accepts(ChainRequest)
def chain_request(
    start: Union[Media, GenerateRequest, ChainRequest, None] = None,
    steps: Sequence[Union[str, ContinueRequest]] = (),
    *,
    resume: Optional[str] = None,
    budget: Optional[Usd] = None,
    name: Optional[str] = None,
) -> ChainRequest:
    """Builds a request for several clips, each continuing where the previous one ends.

    Args:
        start: An existing clip, or a request by `generate_request` for the first clip. A complete request of a chain
            takes the place of all arguments.
        steps: At most 100 prompts, or requests by `continue_request`, one per clip.
        resume: The id of a chain to resume, instead of `start`. `steps` then replace those that are not sent yet.
        budget: The maximum cost of all clips together, in dollars.
        name: The id of the new chain.
    """
    if (start is None) == (resume is None):
        raise ValueError("a chain needs either start or resume: give one of them")
    if isinstance(steps, str) or not isinstance(steps, Sequence):
        raise _values.type_error("steps", steps, "a list of prompts and continue requests")
    return ChainRequest(
        start=_chain_start(start, resume),
        steps=[step if isinstance(step, ContinueRequest) else continue_request(step) for step in steps],
        budget=optional(_values.usd, "budget", budget),
        name=optional(_values.text, "name", name),
    )


def _chain_start(start: Any, resume: Optional[str]) -> ChainStart:
    if start is None:
        return ChainStart.Record(_values.text("resume", resume))
    if isinstance(start, GenerateRequest):
        return ChainStart.Generate(start)
    return ChainStart.Clip(_media.video("start", start))


@accepts(AnalyzeOptions)
def analyze_options(
    options: Optional[AnalyzeOptions] = None,
    *,
    frames: Optional[int] = None,
    model: Optional[str] = None,
    reasoning_effort: Optional[str] = None,
    deadline: Optional[Seconds] = None,
) -> AnalyzeOptions:
    """Builds the options for analyzing a clip.

    Args:
        options: Complete options, instead of the other arguments.
        frames: Number of frames to send, 2 to 32. Defaults to the first and the last.
        model: The language model to use.
        reasoning_effort: The reasoning effort of the language model.
        deadline: Maximum duration of the call.
    """

    if options is not None:
        raise _values.type_error("options", options, "a reelkin.AnalyzeOptions")
    given: dict[str, Any] = {"frames": frames, "model": model, "reasoning_effort": reasoning_effort, "deadline": deadline}
    return AnalyzeOptions().replace(**{name: value for name, value in given.items() if value is not None})
