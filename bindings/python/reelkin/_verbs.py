"""The methods of clients that take the arguments of a request."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Coroutine, Sequence
from typing import TYPE_CHECKING, Any, Callable, Optional, TypeVar, Union

from . import _media, _native, _requests, _values, _waiting
from ._base import BaseClient
from ._jobs import Chain, Job
from ._media import Media
from ._native import (
    ChainRequest,
    ContinueRequest,
    ContinueStrategy,
    EditRequest,
    ExtendRequest,
    GenerateRequest,
    PlannerSettings,
    StorageOptions,
    TransportChoice,
    UploadTarget,
    VideoRequest,
)
from ._requests import Keyframes, Strategies, Transports
from ._values import AspectRatio, Resolution, Seconds, Usd, VideoModel, optional

if TYPE_CHECKING:
    from typing_extensions import Concatenate, ParamSpec

    P = ParamSpec("P")
    AsyncMethod = Callable[Concatenate[BaseClient, P], Coroutine[Any, Any, "S"]]
    Stub = Callable[Concatenate[Any, P], None]

Request = TypeVar("Request")
R = TypeVar("R")
S = TypeVar("S")
M = TypeVar("M", bound=Callable[..., Any])

TIMEOUT = """
    timeout: Maximum time to wait for the clip after the request was sent: seconds or a `timedelta`. The call then raises
        `TimeoutError` with the id of the job, which continues and is charged: `job` resumes it. Preparing and sending the
        request does not count, and is never given up. Waiting also ends at `PollPolicy.deadline`."""


def request_method(
    build: Callable[P, Request],
    call: Callable[[_native.VideoClient, Request], Coroutine[Any, Any, R]],
    convert: Callable[[R], S],
) -> Callable[[Callable[[BaseClient], None]], AsyncMethod[P, S]]:
    """Turns a documented stub into an async method that takes the arguments of a request builder."""

    def decorate(stub: Callable[[BaseClient], None]) -> AsyncMethod[P, S]:
        async def method(self: BaseClient, /, *args: P.args, **kwargs: P.kwargs) -> S:
            self._remember_loop()
            request = await _media.off_loop(build, *args, **kwargs)
            return convert(await call(self._native, self._options.fill(request)))

        return _document(method, stub, build, convert)

    return decorate


def waiting_method(
    build: Callable[..., Request],
    call: Callable[[_native.VideoClient, Request], Coroutine[Any, Any, R]],
    start: Callable[[_native.VideoClient, Request], Coroutine[Any, Any, _waiting.Handle[R]]],
    kind: type[R],
) -> Callable[[Stub[P]], AsyncMethod[P, R]]:
    """Turns a documented stub into an async method that takes the stub's arguments: those of a builder, and a timeout.

    The type system cannot add an argument that is passed by name to those of a builder.
    """

    def decorate(stub: Stub[P]) -> AsyncMethod[P, R]:
        async def method(self: BaseClient, /, *args: P.args, **kwargs: P.kwargs) -> R:
            self._remember_loop()
            given: dict[str, Any] = dict(kwargs)
            length = optional(_values.duration, "timeout", given.pop("timeout", None))
            length = self._options.timeout if length is None else length
            request = self._options.fill(await _media.off_loop(build, *args, **given))
            if length is None:
                return await call(self._native, request)
            return await _waiting.finish(start(self._native, request), length, self._abandoned)

        return _document(method, stub, build, result(kind), TIMEOUT)

    return decorate


def _document(
    method: M, stub: Callable[..., None], build: Callable[..., Any], convert: Callable[..., Any], more: str = ""
) -> M:
    """Gives a method the name and docstring of its stub, and the types and the `Args` section of the builder."""
    functools.update_wrapper(method, stub)
    vars(method)["declared"] = stub
    returns = getattr(convert, "returns", convert)
    first = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    parameters = [first, *inspect.signature(build).parameters.values()]
    method.__annotations__ = {**build.__annotations__, "return": returns}
    if more:
        kind = inspect.Parameter.KEYWORD_ONLY
        parameters.append(inspect.Parameter("timeout", kind, default=None, annotation="Optional[Seconds]"))
        method.__annotations__["timeout"] = "Optional[Seconds]"
    # The names in the annotations are those of the builder's module.
    vars(method)["__wrapped__"] = build
    vars(method)["__signature__"] = inspect.Signature(parameters, return_annotation=returns)
    arguments = (inspect.getdoc(build) or "").partition("\n\nArgs:")[2]
    method.__doc__ = f"{inspect.getdoc(stub)}\n\nArgs:{arguments}{more}"
    return method


def unchanged(value: R) -> R:
    return value


def result(kind: type[R]) -> Callable[[R], R]:
    """Returns a conversion that changes nothing, for a call that returns values of this type."""

    def convert(value: R) -> R:
        return value

    vars(convert)["returns"] = kind
    return convert


class Verbs(BaseClient):
    """The async methods of clients that take the arguments of a request."""

    @waiting_method(
        _requests.generate_request, _native.VideoClient.generate, _native.VideoClient.start_generate, _native.Clip
    )
    def generate(
        self: BaseClient,
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
        timeout: Optional[Seconds] = None,
    ) -> None:
        """Generates a new clip. The cost is what `estimate` returns. The paid request is sent only once.

        Raises `InvalidRequestError` and `BudgetError` before anything is charged. Later errors are `ModeratedError`,
        `JobFailedError`, `SubmissionUnknownError`, `TimeoutError`, `NetworkError` and other subclasses of `Error`.
        """

    @request_method(_requests.generate_request, _native.VideoClient.start_generate, Job)
    def start_generate(self: BaseClient) -> None:
        """Starts generating a new clip. Returns once the job has an id."""

    @waiting_method(
        _requests.edit_request, _native.VideoClient.edit, _native.VideoClient.start_edit, _native.Clip
    )
    def edit(
        self: BaseClient,
        clip: Union[Media, EditRequest],
        prompt: Optional[str] = None,
        *,
        model: Optional[VideoModel] = None,
        plan: Union[bool, PlannerSettings, None] = None,
        transport: Union[TransportChoice, Transports] = "auto",
        user: Optional[str] = None,
        storage: Optional[StorageOptions] = None,
        output: Optional[UploadTarget] = None,
        timeout: Optional[Seconds] = None,
    ) -> None:
        """Creates an edited copy of a clip. Cost and errors are as for `generate`."""

    @request_method(_requests.edit_request, _native.VideoClient.start_edit, Job)
    def start_edit(self: BaseClient) -> None:
        """Starts creating an edited copy of a clip. Returns once the job has an id."""

    @waiting_method(
        _requests.extend_request, _native.VideoClient.extend, _native.VideoClient.start_extend, _native.Clip
    )
    def extend(
        self: BaseClient,
        clip: Union[Media, ExtendRequest],
        prompt: Optional[str] = None,
        *,
        duration: Optional[Seconds] = None,
        model: Optional[VideoModel] = None,
        plan: Union[bool, PlannerSettings, None] = None,
        transport: Union[TransportChoice, Transports] = "auto",
        storage: Optional[StorageOptions] = None,
        output: Optional[UploadTarget] = None,
        timeout: Optional[Seconds] = None,
    ) -> None:
        """Extends a clip. The new clip holds the original and the added seconds.

        Cost and errors are as for `generate`.
        """

    @request_method(_requests.extend_request, _native.VideoClient.start_extend, Job)
    def start_extend(self: BaseClient) -> None:
        """Starts extending a clip. Returns once the job has an id."""

    @waiting_method(
        _requests.with_clip(_requests.continue_request),
        lambda client, request: client.continue_from(*request),
        lambda client, request: client.start_continue_from(*request),
        _native.Clip,
    )
    def continue_from(
        self: BaseClient,
        clip: Media,
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
        timeout: Optional[Seconds] = None,
    ) -> None:
        """Creates a clip that continues where another clip ends. Cost and errors are as for `generate`."""

    @request_method(
        _requests.with_clip(_requests.continue_request),
        lambda client, request: client.start_continue_from(*request),
        Job,
    )
    def start_continue_from(self: BaseClient) -> None:
        """Starts creating a clip that continues where another clip ends. Returns once the job has an id."""

    @waiting_method(
        _requests.chain_request, _native.VideoClient.chain, _native.VideoClient.start_chain, _native.ChainOutcome
    )
    def chain(
        self: BaseClient,
        start: Union[Media, GenerateRequest, ChainRequest, None] = None,
        steps: Sequence[Union[str, ContinueRequest]] = (),
        *,
        resume: Optional[str] = None,
        budget: Optional[Usd] = None,
        name: Optional[str] = None,
        timeout: Optional[Seconds] = None,
    ) -> None:
        """Creates several clips in sequence. Each continues where the previous one ends.

        Cost and errors are as for `generate`, for each clip. Finished clips are kept after an error, and a chain can
        be resumed with `resume`.
        """

    @request_method(_requests.chain_request, _native.VideoClient.start_chain, Chain)
    def start_chain(self: BaseClient) -> None:
        """Starts creating several clips in sequence."""

    @request_method(
        _requests.with_clip(_requests.analyze_options),
        lambda client, request: client.analyze(*request),
        result(_native.ClipNotes),
    )
    def analyze(self: BaseClient) -> None:
        """Asks a language model to describe a clip, which is one paid call. Creates no clip."""

    @request_method(
        _requests.generate_request,
        lambda client, request: client.estimate(VideoRequest.Generate(request)),
        result(_native.Estimate),
    )
    def estimate(self: BaseClient) -> None:
        """Checks a request for `generate` and estimates its cost. Sends nothing and costs nothing.

        Raises `InvalidRequestError` for the same requests as `generate`. The other verbs have methods of their own:
        `estimate_edit`, `estimate_extend`, `estimate_continue_from` and `estimate_chain`.
        """

    @request_method(
        _requests.edit_request,
        lambda client, request: client.estimate(VideoRequest.Edit(request)),
        result(_native.Estimate),
    )
    def estimate_edit(self: BaseClient) -> None:
        """Checks a request for `edit` and estimates its cost. Measures the clip, sends nothing and costs nothing.

        The cost is `None` for a clip that is given by a URL or an id of the Files API.
        """

    @request_method(
        _requests.extend_request,
        lambda client, request: client.estimate(VideoRequest.Extend(request)),
        result(_native.Estimate),
    )
    def estimate_extend(self: BaseClient) -> None:
        """Checks a request for `extend` and estimates its cost, as `estimate_edit` does."""

    @request_method(
        _requests.with_clip(_requests.continue_request),
        lambda client, request: client.estimate(VideoRequest.Continue(*request)),
        result(_native.Estimate),
    )
    def estimate_continue_from(self: BaseClient) -> None:
        """Checks a request for `continue_from` and estimates its cost, as `estimate_edit` does."""

    @request_method(
        _requests.chain_request,
        lambda client, request: client.estimate(VideoRequest.Chain(request)),
        result(_native.Estimate),
    )
    def estimate_chain(self: BaseClient) -> None:
        """Checks a request for `chain` and estimates the cost of the clips that were not sent yet."""
