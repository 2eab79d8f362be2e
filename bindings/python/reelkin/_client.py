"""The verbs."""

from __future__ import annotations

import datetime
import functools
import inspect
import os
from collections.abc import Coroutine
from types import TracebackType
from typing import TYPE_CHECKING, Any, Callable, Optional, TypeVar, Union

from . import _native, _requests, _values
from ._frames import Frame, bounds
from ._jobs import Chain, Job, Recovery
from ._library import Library, spent
from ._native import Clip, FramePosition, MediaInput
from ._process import ProcessBound
from ._token import Tokens, TokenSource
from ._values import given

if TYPE_CHECKING:
    from typing_extensions import Concatenate, ParamSpec, Self

    from ._values import Media, Seconds, Usd

    P = ParamSpec("P")
    Verb = Callable[Concatenate["Client", P], Coroutine[Any, Any, "S"]]

Request = TypeVar("Request")
R = TypeVar("R")
S = TypeVar("S")
M = TypeVar("M", bound=Callable[..., Any])


class Budget(_native.Budget):
    """How much may be spent, held against the ledger of the library: for each request, a day in UTC, or in all.

    Amounts are `Decimal` or text, no floats. A request without a price in the table is refused under a limit unless
    `unknown_prices`.
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
            per_request=given(_values.usd, "per_request", per_request),
            per_day=given(_values.usd, "per_day", per_day),
            per_library=given(_values.usd, "per_library", per_library),
            unknown_prices=_values.switch("unknown_prices", unknown_prices),
        )


def verb(
    request: Callable[P, Request],
    call: Callable[[_native.VideoClient, Request], Coroutine[Any, Any, R]],
    outcome: Callable[[R], S],
) -> Callable[[Callable[[Client], None]], Verb[P, S]]:
    """A method with the arguments of a request, whose own body is nothing but its documentation."""

    def documented(about: Callable[[Client], None]) -> Verb[P, S]:
        async def method(self: Client, /, *arguments: P.args, **options: P.kwargs) -> S:
            self._notice_loop()
            return outcome(await call(self._native, request(*arguments, **options)))

        return _described(method, about, request)

    return documented


def check(
    request: Callable[P, _native.GenerateRequest],
) -> Callable[[Callable[[Client], None]], Callable[Concatenate[Client, P], _native.Checked]]:
    """The same for a request that is only looked at."""

    def documented(about: Callable[[Client], None]) -> Callable[Concatenate[Client, P], _native.Checked]:
        def method(self: Client, /, *arguments: P.args, **options: P.kwargs) -> _native.Checked:
            return self._native.estimate(request(*arguments, **options))

        return _described(method, about, request)

    return documented


def _described(method: M, about: Callable[..., None], request: Callable[..., Any]) -> M:
    """A method under the name of one function, with its documentation and the arguments of another."""
    functools.update_wrapper(method, about)
    own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    taken = inspect.signature(request).parameters.values()
    vars(method)["__signature__"] = inspect.Signature([own, *taken])
    method.__doc__ = f"{inspect.getdoc(about)}\n\n{inspect.getdoc(request)}"
    return method


class Client(ProcessBound):
    """What the async and the blocking client share: how they are set up, and what needs no waiting."""

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
        token: Optional[TokenSource] = None,
    ) -> None:
        """`library` is the folder that keeps the clips, made when missing. Without `api_key` the environment variable
        `XAI_API_KEY` is read; instead of a key, `token` is a function, async or not, that returns a token: a `str`, or an
        `AccessToken` with the time for which it may be used. `base_url` is another place that speaks the service's protocol, such as a `Sandbox`.
        The other settings are records: `default_poll_policy().replace(deadline=timedelta(minutes=5))`. `models` is a
        model table of your own, as the text of its TOML file.

        Raises `ConfigError` without a key, with both a key and a source of tokens, or with a base URL that would leak it, `LibraryError` when the folder cannot
        be written, `InvalidRequestError` for settings that no call can be made with.
        """
        self._tokens = None if token is None else Tokens(token)
        self._native = _native.VideoClient(
            _native.ClientOptions(
                library=_values.path("library", library),
                api_key=given(_values.text, "api_key", api_key),
                base_url=given(_values.text, "base_url", base_url),
                budget=budget,
                defaults=defaults,
                validation=validation,
                poll=poll,
                download=download,
                rate_limit=rate_limit,
                timeouts=timeouts,
                planner=planner,
                models=given(_values.text, "models", models),
            ),
            self._tokens,
        )
        self._shown = f"<reelkin.{type(self).__name__} on {os.fspath(library)!r}>"

    def __repr__(self) -> str:
        return self._shown

    def _notice_loop(self) -> None:
        if self._tokens is not None:
            self._tokens.notice_loop()

    @property
    def service(self) -> str:
        """Scheme, host and port of the service."""
        return self._native.service()

    @property
    def models(self) -> _native.ModelTable:
        """The table of models, limits and prices that requests are checked against."""
        return self._native.models()

    @check(_requests.generate_request)
    def estimate(self: Client) -> None:
        """Checks a request, and says what it would cost. Sends nothing and pays nothing.

        Raises `InvalidRequestError` as `generate` would.
        """


def clip(made: Clip) -> Clip:
    return made


class VideoClient(Client):
    """Makes clips and keeps them in a library, for asyncio. Any event loop and several at once may use it.

    A call that makes a clip returns when it is whole, checked and saved. Cancelled before that, it stops waiting: the
    job goes on at the service, its charge stands, it stays in the journal, and `recover` saves its clip. The calls
    that begin with `start_` return a `Job` as soon as it has its id, which only watches.

    Every error after the submit has the `job_id`. `async with` closes the client at the end.
    """

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        await self.close()

    @property
    def library(self) -> Library:
        """The library."""
        return Library(self._native.library())

    @verb(_requests.generate_request, _native.VideoClient.generate, clip)
    def generate(self: Client) -> None:
        """Makes a new clip. Costs what `estimate` says; a create is sent once.

        Raises `InvalidRequestError` and `BudgetError` before anything is paid, then `ModeratedError`, `JobFailedError`,
        `SubmissionUnknownError`, `TimeoutError`, `NetworkError` and others under `Error`.
        """

    @verb(_requests.generate_request, _native.VideoClient.start_generate, Job)
    def start_generate(self: Client) -> None:
        """Begins to make a new clip, and returns when the job has its id."""

    @verb(_requests.edit_request, _native.VideoClient.edit, clip)
    def edit(self: Client) -> None:
        """Makes a changed copy of a clip. Errors and cost as for `generate`."""

    @verb(_requests.edit_request, _native.VideoClient.start_edit, Job)
    def start_edit(self: Client) -> None:
        """Begins to make a changed copy of a clip."""

    @verb(_requests.extend_request, _native.VideoClient.extend, clip)
    def extend(self: Client) -> None:
        """Adds seconds at the end of a clip. Errors and cost as for `generate`."""

    @verb(_requests.extend_request, _native.VideoClient.start_extend, Job)
    def start_extend(self: Client) -> None:
        """Begins to add seconds at the end of a clip."""

    @verb(
        _requests.with_clip(_requests.continue_request),
        lambda client, request: client.continue_from(*request),
        clip,
    )
    def continue_from(self: Client) -> None:
        """Makes a clip that goes on where another one ends. Errors and cost as for `generate`."""

    @verb(
        _requests.with_clip(_requests.continue_request),
        lambda client, request: client.start_continue_from(*request),
        Job,
    )
    def start_continue_from(self: Client) -> None:
        """Begins to make a clip that goes on where another one ends."""

    @verb(_requests.chain_request, _native.VideoClient.chain, lambda made: made)
    def chain(self: Client) -> None:
        """Makes several clips one after another, each going on where the one before ends.

        Errors and cost as for `generate`, for each clip. What was made stays, and `resume` goes on with it.
        """

    @verb(_requests.chain_request, _native.VideoClient.start_chain, Chain)
    def start_chain(self: Client) -> None:
        """Begins to make several clips one after another."""

    @verb(
        _requests.with_clip(_requests.analyze_options),
        lambda client, request: client.analyze(*request),
        lambda notes: notes,
    )
    def analyze(self: Client) -> None:
        """Has a language model say what is seen in a clip: one paid question. Makes no clip."""

    async def frame(
        self,
        clip: Media,
        position: Union[FramePosition, Seconds, str] = "last",
        *,
        deadline: Optional[Seconds] = None,
        max_pixels: Optional[int] = None,
        max_decoded_bytes: Optional[int] = None,
    ) -> Frame:
        """A frame of a clip of the library, or of any file or bytes, exactly the one that a player shows.

        As `reelkin.frame`, which needs no client.
        """
        source = _values.video("clip", clip)
        limits = bounds(deadline, max_pixels, max_decoded_bytes)
        if isinstance(source, MediaInput.Clip):
            return Frame(await self._native.frame(source.value, _values.position(position), limits))
        return Frame(await _native.frame(source, _values.position(position), limits))

    async def job(self, id: str) -> Job:
        """Picks a job up again from its id alone, in any process. Costs nothing.

        Raises `NotFoundError`, `JobExpiredError`.
        """
        self._notice_loop()
        return Job(await self._native.job(_values.text("id", id)))

    async def recover(self) -> _native.Recovered:
        """Finishes every job of the library that something interrupted: waits, downloads, checks and saves its clip.

        Costs nothing. What only a person can find out is listed in `unsettled`, for `library.settle`.
        """
        self._notice_loop()
        return await self._native.recover()

    async def start_recover(self) -> Recovery:
        """Begins a recovery."""
        self._notice_loop()
        return Recovery(await self._native.start_recover())

    async def spent(
        self, since: Optional[datetime.datetime] = None, before: Optional[datetime.datetime] = None
    ) -> _native.Spent:
        """What was spent on requests that were begun in a time; without ends, on all. Times have a time zone."""
        return await spent(self._native, since, before)

    async def visible_models(self) -> list[_native.VisibleModel]:
        """The models that the key can see at the service."""
        self._notice_loop()
        return await self._native.visible_models()

    async def close(self) -> None:
        """Closes the client: it stops waiting for its jobs, which go on at the service and stay in the journal.

        A create that is being sent is waited for, at most 10 s. Every later call raises `ConfigError`; a second `close`
        does nothing.
        """
        await self._native.close()
