"""The asyncio client, and what it shares with the blocking one."""

from __future__ import annotations

import datetime
import functools
import inspect
import os
from collections.abc import Coroutine
from types import TracebackType
from typing import TYPE_CHECKING, Any, Callable, Optional, TypeVar, Union

from . import _media, _native, _requests, _values
from ._frame import Frame
from ._jobs import Chain, Job, Recovery
from ._library import Library
from ._media import Media
from ._native import FramePosition, MediaInput, VideoRequest
from ._process import ProcessBound
from ._token import TokenProvider, TokenSource
from ._typing import Self
from ._values import Seconds, Usd, optional

if TYPE_CHECKING:
    from typing_extensions import Concatenate, ParamSpec

    P = ParamSpec("P")
    AsyncMethod = Callable[Concatenate["BaseClient", P], Coroutine[Any, Any, "S"]]

Request = TypeVar("Request")
R = TypeVar("R")
S = TypeVar("S")
M = TypeVar("M", bound=Callable[..., Any])


class Budget(_native.Budget):
    """Spending limits, checked against the library's ledger.

    Args:
        per_request: Maximum cost of one request, in dollars: a `Decimal` or its text, not a float.
        per_day: Maximum cost per day in UTC.
        per_library: Maximum cost of the library in total.
        unknown_prices: Whether to allow requests that the model table has no price for.
    """

    def __init__(
        self,
        *,
        per_request: Optional[Usd] = None,
        per_day: Optional[Usd] = None,
        per_library: Optional[Usd] = None,
        unknown_prices: bool = False,
    ) -> None:
        super().__init__(
            per_request=per_request, per_day=per_day, per_library=per_library, unknown_prices=unknown_prices
        )


def request_method(
    build: Callable[P, Request],
    call: Callable[[_native.VideoClient, Request], Coroutine[Any, Any, R]],
    convert: Callable[[R], S],
) -> Callable[[Callable[[BaseClient], None]], AsyncMethod[P, S]]:
    """Turns a documented stub into an async method that takes the arguments of a request builder."""

    def decorate(stub: Callable[[BaseClient], None]) -> AsyncMethod[P, S]:
        async def method(self: BaseClient, /, *args: P.args, **kwargs: P.kwargs) -> S:
            self._remember_loop()
            return convert(await call(self._native, await _media.off_loop(build, *args, **kwargs)))

        return _document(method, stub, build, convert)

    return decorate


def _document(method: M, stub: Callable[..., None], build: Callable[..., Any], convert: Callable[..., Any]) -> M:
    """Gives a method the name and docstring of its stub, and the types and the `Args` section of the builder."""
    functools.update_wrapper(method, stub)
    returns = getattr(convert, "returns", convert)
    method.__annotations__ = {**build.__annotations__, "return": returns}
    # The names in the annotations are those of the builder's module.
    vars(method)["__wrapped__"] = build
    first = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    parameters = inspect.signature(build).parameters.values()
    vars(method)["__signature__"] = inspect.Signature([first, *parameters], return_annotation=returns)
    arguments = (inspect.getdoc(build) or "").partition("\n\nArgs:")[2]
    method.__doc__ = f"{inspect.getdoc(stub)}\n\nArgs:{arguments}"
    return method


def unchanged(value: R) -> R:
    return value


def result(kind: type[R]) -> Callable[[R], R]:
    """Returns a conversion that changes nothing, for a call that returns values of this type."""

    def convert(value: R) -> R:
        return value

    vars(convert)["returns"] = kind
    return convert


class BaseClient(ProcessBound):
    """What the asyncio and the blocking client share: their construction, and the methods that do not wait."""

    def __init__(
        self,
        library: Union[str, os.PathLike[str]],
        *,
        api_key: Optional[str] = None,
        base_url: Optional[str] = None,
        budget: Optional[_native.Budget] = None,
        defaults: Optional[_native.Defaults] = None,
        validation: Optional[_native.Validation] = None,
        poll: Optional[_native.PollPolicy] = None,
        download: Optional[_native.DownloadPolicy] = None,
        rate_limit: Optional[_native.RateLimit] = None,
        timeouts: Optional[_native.Timeouts] = None,
        planner: Optional[_native.PlannerSettings] = None,
        models: Optional[str] = None,
        proxy: Optional[str] = None,
        no_proxy: Optional[str] = None,
        root_certificates: Optional[str] = None,
        token: Optional[TokenSource] = None,
    ) -> None:
        """Creates a client for a library.

        Fields of settings such as `poll` that are left out have their default: `PollPolicy(deadline=300)`.

        Args:
            library: The folder that stores the clips. Created if it does not exist.
            api_key: The API key. Defaults to the environment variable `XAI_API_KEY`.
            base_url: The base URL of another server that speaks the service's protocol, such as a `Sandbox`.
            budget: The spending limits.
            defaults: The values for request arguments that are left out.
            validation: What to do with a request that violates the model table.
            poll: How jobs are polled.
            download: The limits of downloads.
            rate_limit: The maximum request rate.
            timeouts: The timeouts of single requests to the service.
            planner: How and when prompts are planned.
            models: A custom model table as TOML text.
            proxy: The http or https proxy for calls of the API and downloads, such as
                `http://user:password@10.0.0.5:3128`. Defaults to the environment variable `HTTPS_PROXY` or `ALL_PROXY`.
                Requests to this machine never use it.
            no_proxy: The targets that are reached without the proxy, separated by commas: hosts, addresses and
                networks. Defaults to the environment variable `NO_PROXY`.
            root_certificates: Certificate authorities to trust besides those of the system, as PEM text.
            token: A function, async or not, that supplies tokens instead of a key. It returns a `str` or an
                `AccessToken`, which also has a lifetime.

        Raises:
            ConfigError: There is no key, both a key and `token` are given, the base URL would leak the key, or the
                proxy or a certificate is not valid.
            LibraryError: The folder cannot be written.
            InvalidRequestError: No call could use these settings.
        """
        self._tokens = None if token is None else TokenProvider(token)
        self._native = _native.VideoClient(
            _native.ClientOptions(
                library=_values.path("library", library),
                api_key=optional(_values.text, "api_key", api_key),
                base_url=optional(_values.text, "base_url", base_url),
                budget=budget,
                defaults=defaults,
                validation=validation,
                poll=poll,
                download=download,
                rate_limit=rate_limit,
                timeouts=timeouts,
                planner=planner,
                models=optional(_values.text, "models", models),
                proxy=optional(_values.text, "proxy", proxy),
                no_proxy=optional(_values.text, "no_proxy", no_proxy),
                root_certificates=optional(_values.text, "root_certificates", root_certificates),
            ),
            self._tokens,
        )
        self._repr = f"<reelkin.{type(self).__name__} on {os.fspath(library)!r}>"

    def __repr__(self) -> str:
        return self._repr

    def _remember_loop(self) -> None:
        if self._tokens is not None:
            self._tokens.remember_loop()

    @property
    def service(self) -> str:
        """The scheme, host and port of the service."""
        return self._native.service()

    @property
    def models(self) -> _native.ModelTable:
        """The model table that requests are checked against: models, limits and prices."""
        return self._native.models()


class VideoClient(BaseClient):
    """Creates clips and stores them in a library, for asyncio. It can be used from several event loops at once.

    Calls that create a clip return once it is complete, verified and saved. If such a call is cancelled, it stops
    waiting. The job continues at the service, is charged, and stays in the journal until `recover` saves its clip.
    Calls that begin with `start_` return a `Job` as soon as it has an id. A `Job` only observes.

    Errors after the submit have a `job_id`. Use `async with` to close the client at the end.
    """

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        await self.close()

    @property
    def library(self) -> Library:
        """The client's library."""
        return Library(self._native.library())

    @request_method(_requests.generate_request, _native.VideoClient.generate, result(_native.Clip))
    def generate(self: BaseClient) -> None:
        """Generates a new clip. The cost is what `estimate` returns. The paid request is sent only once.

        Raises `InvalidRequestError` and `BudgetError` before anything is charged. Later errors are `ModeratedError`,
        `JobFailedError`, `SubmissionUnknownError`, `TimeoutError`, `NetworkError` and other subclasses of `Error`.
        """

    @request_method(_requests.generate_request, _native.VideoClient.start_generate, Job)
    def start_generate(self: BaseClient) -> None:
        """Starts generating a new clip. Returns once the job has an id."""

    @request_method(_requests.edit_request, _native.VideoClient.edit, result(_native.Clip))
    def edit(self: BaseClient) -> None:
        """Creates an edited copy of a clip. Cost and errors are as for `generate`."""

    @request_method(_requests.edit_request, _native.VideoClient.start_edit, Job)
    def start_edit(self: BaseClient) -> None:
        """Starts creating an edited copy of a clip. Returns once the job has an id."""

    @request_method(_requests.extend_request, _native.VideoClient.extend, result(_native.Clip))
    def extend(self: BaseClient) -> None:
        """Extends a clip. The new clip holds the original and the added seconds.

        Cost and errors are as for `generate`.
        """

    @request_method(_requests.extend_request, _native.VideoClient.start_extend, Job)
    def start_extend(self: BaseClient) -> None:
        """Starts extending a clip. Returns once the job has an id."""

    @request_method(
        _requests.with_clip(_requests.continue_request),
        lambda client, request: client.continue_from(*request),
        result(_native.Clip),
    )
    def continue_from(self: BaseClient) -> None:
        """Creates a clip that continues where another clip ends. Cost and errors are as for `generate`."""

    @request_method(
        _requests.with_clip(_requests.continue_request),
        lambda client, request: client.start_continue_from(*request),
        Job,
    )
    def start_continue_from(self: BaseClient) -> None:
        """Starts creating a clip that continues where another clip ends. Returns once the job has an id."""

    @request_method(_requests.chain_request, _native.VideoClient.chain, result(_native.ChainOutcome))
    def chain(self: BaseClient) -> None:
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

    async def frame(
        self,
        clip: Media,
        position: Union[FramePosition, Seconds, str] = "last",
        *,
        deadline: Optional[Seconds] = None,
        max_pixels: Optional[int] = None,
        max_decoded_bytes: Optional[int] = None,
    ) -> Frame:
        """Decodes one frame of a clip in the library, of a file or of bytes, exactly as a player would show it.

        The other arguments and the errors are those of `reelkin.frame`, which needs no client.
        """
        source = await _media.off_loop(_media.video, "clip", clip)
        options = _media.media_options(deadline, max_pixels, max_decoded_bytes)
        if isinstance(source, MediaInput.Clip):
            return Frame(await self._native.frame(source.value, _values.position(position), options))
        return Frame(await _native.frame(source, _values.position(position), options))

    async def job(self, id: str) -> Job:
        """Returns the job with this id, which may have been started by another process. Costs nothing.

        Waiting for it raises `NotFoundError` if the service does not know the job, and `JobExpiredError` if the job
        expired.
        """
        self._remember_loop()
        return Job(await self._native.job(_values.text("id", id)))

    async def recover(self) -> _native.Recovered:
        """Finishes every interrupted job of the library: waits for it, then downloads, verifies and saves its clip.

        Costs nothing. Requests that have to be checked by hand are listed in `unsettled`; pass them to
        `library.settle`.
        """
        self._remember_loop()
        return await self._native.recover()

    async def start_recover(self) -> Recovery:
        """Starts a recovery."""
        self._remember_loop()
        return Recovery(await self._native.start_recover())

    async def spent(
        self, since: Optional[datetime.datetime] = None, before: Optional[datetime.datetime] = None
    ) -> _native.Spent:
        """Returns what was spent on requests started at or after `since` and before `before`.

        A bound that is left out is open. Times must have a time zone.
        """
        # Not `self.library`, which is blocking in the blocking client.
        return await Library(self._native.library()).spent(since, before)

    async def visible_models(self) -> list[_native.VisibleModel]:
        """Lists the models that the key has access to."""
        self._remember_loop()
        return await self._native.visible_models()

    async def close(self) -> None:
        """Closes the client. It stops waiting for its jobs, and later calls raise `ConfigError`.

        The jobs continue at the service and stay in the journal. Paid requests that are being sent are waited for, at
        most 10 s. Closing again does nothing.
        """

        await self._native.close()
