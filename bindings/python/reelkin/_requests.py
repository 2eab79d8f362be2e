"""What is asked for: keyword arguments made into requests. What is left out is the client's default."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Optional, TypeVar, Union

from . import _native, _values
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
from ._values import given

if TYPE_CHECKING:
    from typing_extensions import Concatenate, ParamSpec

    from ._values import Media, Seconds, Usd

    P = ParamSpec("P")
R = TypeVar("R")


def generate_request(
    prompt: Optional[str] = None,
    *,
    image: Optional[Media] = None,
    references: Sequence[Media] = (),
    last_frame: Optional[Media] = None,
    keyframes: Optional[Mapping[float, Media]] = None,
    voices: Sequence[str] = (),
    model: Optional[str] = None,
    duration: Optional[Seconds] = None,
    resolution: Optional[str] = None,
    aspect_ratio: Optional[str] = None,
    audio: Optional[bool] = None,
    plan: Union[bool, PlannerSettings, None] = None,
    topic: Optional[str] = None,
    user: Optional[str] = None,
    storage: Optional[StorageOptions] = None,
    output: Optional[UploadTarget] = None,
) -> GenerateRequest:
    """A new clip.

    `image` is its first frame. `references` are up to 14 pictures to go by; `<IMAGE_0>` in the prompt names the
    first. `last_frame` and `keyframes` (seconds to pictures, up to 4) pin other frames. `duration` is whole seconds,
    `resolution` such as `"720p"`, `aspect_ratio` such as `"16:9"`. With `plan` a language model rewrites the prompt
    first, which is one paid question more. `topic` is the series that the clip belongs to.
    """
    return GenerateRequest(
        prompt=given(_values.text, "prompt", prompt),
        mode=_mode(image, references, last_frame, keyframes),
        voices=_values.texts("voices", voices),
        model=given(_values.text, "model", model),
        duration=given(_values.duration, "duration", duration),
        resolution=given(_values.text, "resolution", resolution),
        aspect_ratio=given(_values.text, "aspect_ratio", aspect_ratio),
        audio=given(_values.switch, "audio", audio),
        user=given(_values.text, "user", user),
        storage=storage,
        output=output,
        plan=_values.plan(plan),
        topic=given(_values.text, "topic", topic),
    )


def _mode(
    image: Optional[Media],
    references: Sequence[Media],
    last_frame: Optional[Media],
    keyframes: Optional[Mapping[float, Media]],
) -> GenerateMode:
    first = given(_values.media, "image", image)
    if isinstance(references, (str, bytes)) or not isinstance(references, Sequence):
        raise _values.wrong("references", references, "a list of pictures")
    if keyframes is not None and not isinstance(keyframes, Mapping):
        raise _values.wrong("keyframes", keyframes, "a dict of seconds to pictures")
    pinned = last_frame is not None or keyframes
    if pinned and references:
        raise ValueError("references and pinned frames do not go together: leave one of them out")
    if pinned:
        return GenerateMode.Frames(
            first,
            given(_values.media, "last_frame", last_frame),
            [
                Keyframe(at=_values.duration("keyframes", at), image=_values.media("keyframe", picture))
                for at, picture in (keyframes or {}).items()
            ],
        )
    if references:
        return GenerateMode.References([_values.media("reference", picture) for picture in references], first)
    return GenerateMode.Image(first) if first is not None else GenerateMode.Text()


def edit_request(
    clip: Media,
    prompt: str,
    *,
    model: Optional[str] = None,
    plan: Union[bool, PlannerSettings, None] = None,
    transport: TransportChoice = TransportChoice.AUTO,
    user: Optional[str] = None,
    storage: Optional[StorageOptions] = None,
    output: Optional[UploadTarget] = None,
) -> EditRequest:
    """A changed copy of a clip: `prompt` says what is to change."""
    return EditRequest(
        video=_values.video("clip", clip),
        prompt=_values.text("prompt", prompt),
        model=given(_values.text, "model", model),
        transport=transport,
        plan=_values.plan(plan),
        user=given(_values.text, "user", user),
        storage=storage,
        output=output,
    )


def extend_request(
    clip: Media,
    prompt: str,
    *,
    duration: Optional[Seconds] = None,
    model: Optional[str] = None,
    plan: Union[bool, PlannerSettings, None] = None,
    transport: TransportChoice = TransportChoice.AUTO,
    storage: Optional[StorageOptions] = None,
    output: Optional[UploadTarget] = None,
) -> ExtendRequest:
    """Seconds added at the end of a clip, which may have 2 to 15 s: the result has both parts.

    `duration` is what is added, 2 to 10 whole seconds; 6 when left out.
    """
    return ExtendRequest(
        video=_values.video("clip", clip),
        prompt=_values.text("prompt", prompt),
        model=given(_values.text, "model", model),
        duration=given(_values.duration, "duration", duration),
        transport=transport,
        plan=_values.plan(plan),
        storage=storage,
        output=output,
    )


def continue_request(
    prompt: Optional[str] = None,
    *,
    strategy: ContinueStrategy = ContinueStrategy.LAST_FRAME,
    sharpest_of_last: Optional[int] = None,
    model: Optional[str] = None,
    duration: Optional[Seconds] = None,
    resolution: Optional[str] = None,
    aspect_ratio: Optional[str] = None,
    audio: Optional[bool] = None,
    plan: Union[bool, PlannerSettings, None] = None,
    user: Optional[str] = None,
    storage: Optional[StorageOptions] = None,
) -> ContinueRequest:
    """A clip that goes on where another one ends.

    `strategy` is by the last frame, by the service's extension, or whichever fits. `sharpest_of_last` takes the
    sharpest of so many last frames (2 to 48), for clips that end in a fade. The prompt is planned, which is one paid
    question more, unless `plan` or the client's settings say otherwise.
    """
    last = FrameChoice.Last() if sharpest_of_last is None else FrameChoice.SharpestOfLast(sharpest_of_last)
    return ContinueRequest(
        prompt=given(_values.text, "prompt", prompt),
        strategy=strategy,
        frame=last,
        model=given(_values.text, "model", model),
        duration=given(_values.duration, "duration", duration),
        resolution=given(_values.text, "resolution", resolution),
        aspect_ratio=given(_values.text, "aspect_ratio", aspect_ratio),
        audio=given(_values.switch, "audio", audio),
        user=given(_values.text, "user", user),
        storage=storage,
        plan=_values.plan(plan),
    )


def with_clip(request: Callable[P, R]) -> Callable[Concatenate[Media, P], tuple[MediaInput, R]]:
    """A clip, and the request that is made of it with the other arguments."""

    def with_clip(clip: Media, /, *arguments: P.args, **options: P.kwargs) -> tuple[MediaInput, R]:
        return _values.video("clip", clip), request(*arguments, **options)

    own = inspect.Parameter("clip", inspect.Parameter.POSITIONAL_ONLY)
    signature = inspect.signature(request)
    vars(with_clip)["__signature__"] = signature.replace(parameters=[own, *signature.parameters.values()])
    with_clip.__doc__ = request.__doc__
    return with_clip


def chain_request(
    start: Union[Media, GenerateRequest, None] = None,
    steps: Sequence[Union[str, ContinueRequest]] = (),
    *,
    resume: Optional[str] = None,
    budget: Optional[Usd] = None,
    name: Optional[str] = None,
) -> ChainRequest:
    """Several clips, each going on where the one before ends.

    `start` is a clip that exists, or a `generate_request` that is made first. `steps` are prompts, or requests by
    `continue_request`, at most 100. `resume` goes on with a chain by its id; `steps` then take the place of those
    that are not sent yet. `budget` is what all clips together may cost.
    """
    if (start is None) == (resume is None):
        raise ValueError("a chain begins with start or goes on with resume: give one of them")
    if isinstance(steps, str) or not isinstance(steps, Sequence):
        raise _values.wrong("steps", steps, "a list of prompts and continue requests")
    return ChainRequest(
        start=_chain_start(start, resume),
        steps=[step if isinstance(step, ContinueRequest) else continue_request(step) for step in steps],
        budget=given(_values.usd, "budget", budget),
        name=given(_values.text, "name", name),
    )


def _chain_start(start: Union[Media, GenerateRequest, None], resume: Optional[str]) -> ChainStart:
    if start is None:
        return ChainStart.Record(_values.text("resume", resume))
    if isinstance(start, GenerateRequest):
        return ChainStart.Generate(start)
    return ChainStart.Clip(_values.video("start", start))


def analyze_options(
    *,
    frames: Optional[int] = None,
    model: Optional[str] = None,
    reasoning_effort: Optional[str] = None,
    deadline: Optional[Seconds] = None,
) -> AnalyzeOptions:
    """`frames` is how many are looked at, 2 to 32: the first and the last when left out. `deadline` is for all."""
    options = _native.default_analyze_options()
    if frames is not None:
        options.frames = _values.count("frames", frames)
    if model is not None:
        options.model = _values.text("model", model)
    if reasoning_effort is not None:
        options.reasoning_effort = _values.text("reasoning_effort", reasoning_effort)
    if deadline is not None:
        options.deadline = _values.duration("deadline", deadline)
    return options
