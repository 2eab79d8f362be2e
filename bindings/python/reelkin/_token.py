"""A caller's own source of tokens, in place of the key of an account."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, Callable, Optional, Union

from . import _loop, _native, _values
from ._calls import wake
from ._values import given

if TYPE_CHECKING:
    from ._values import Seconds


class AccessToken(_native.AccessToken):
    """A token, and how long it may be used from now on: `expires_in` of an OAuth answer, in seconds or a timedelta.

    One with `expires_in` is kept and replaced before it expires; one without is used for one request.
    """

    def __init__(self, secret: str, expires_in: Optional[Seconds] = None) -> None:
        super().__init__(
            secret=_values.text("secret", secret), expires_in=given(_values.duration, "expires_in", expires_in)
        )


Token = Union[str, _native.AccessToken]
TokenSource = Callable[[], Union[Token, Awaitable[Token]]]


class Tokens(_native.TokenCallback):
    """Answers the library's questions for a token with a function of the caller's.

    The function runs in the event loop that last ran a call of the client, since what it uses may belong to that loop;
    where that one has ended, in the package's own. One that is not async runs in a thread. The library never waits
    here: it asks, gives up at its deadline, and then cancels what still runs.
    """

    def __init__(self, source: TokenSource) -> None:
        if not callable(source):
            raise _values.wrong("token", source, "a function that returns a token, async or not")
        self._source = source
        self._loop: Optional[asyncio.AbstractEventLoop] = None

    def notice_loop(self) -> None:
        """Remembers the loop that runs here."""
        self._loop = asyncio.get_running_loop()

    def ask(self, answer: _native.TokenAnswer) -> None:
        """Begins to get a token. Called by the library, in a thread of its own."""
        loop = self._loop
        work = self._reply(answer)
        try:
            if loop is None or not loop.is_running():
                loop = _loop.running()
            asyncio.run_coroutine_threadsafe(work, loop)
        except RuntimeError as error:
            # The loop was closed just now, or the interpreter ends.
            work.close()
            answer.refuse(f"there is no event loop to run the token source in: {error}")

    async def _reply(self, answer: _native.TokenAnswer) -> None:
        work = asyncio.ensure_future(self._token())
        over = asyncio.ensure_future(answer.over())
        try:
            await asyncio.wait([work, over], return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                answer.give(work.result())
        except asyncio.CancelledError:
            answer.refuse("the token source was cancelled")
            raise
        except BaseException as error:
            answer.refuse(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)
            if not isinstance(error, Exception):
                raise
        finally:
            work.cancel()
            over.cancel()

    async def _token(self) -> _native.AccessToken:
        source = self._source
        if inspect.iscoroutinefunction(source) or inspect.iscoroutinefunction(getattr(source, "__call__", None)):
            token: Any = source()
        else:
            token = await _in_a_thread(source)
        if inspect.isawaitable(token):
            token = await token
        if isinstance(token, str):
            return AccessToken(token)
        if not isinstance(token, _native.AccessToken):
            raise _values.wrong("what a token source returns", token, "a str or a reelkin.AccessToken")
        return token


async def _in_a_thread(call: Callable[[], Any]) -> Any:
    """What a blocking function returns. Nothing at the end of a loop or of the process waits for one that hangs."""
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[tuple[Any, Optional[BaseException]]] = loop.create_future()
    context = contextvars.copy_context()

    def settle(value: Any, error: Optional[BaseException]) -> None:
        if not outcome.done():
            outcome.set_result((value, error))

    def run() -> None:
        try:
            value = context.run(call)
        except BaseException as error:
            wake(loop, settle, None, error)
        else:
            wake(loop, settle, value, None)

    threading.Thread(target=run, name="reelkin-token", daemon=True).start()
    value, error = await outcome
    if error is not None:
        raise error
    return value
