"""Access tokens from a function of the caller, which replace an API key."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
from collections.abc import Awaitable
from typing import Any, Callable, Optional, Union

from . import _loop, _native, _values
from ._calls import running_loop, wake
from ._values import Seconds, optional


class AccessToken(_native.AccessToken):
    """An access token.

    Args:
        secret: The token.
        expires_in: How long the token stays valid from now on, as in an OAuth response: seconds or a `timedelta`. Such
            a token is cached and replaced before it expires. Without a lifetime, a token is used for one request.
    """

    def __init__(self, secret: str, expires_in: Optional[Seconds] = None) -> None:
        super().__init__(secret=secret, expires_in=expires_in)


Token = Union[str, _native.AccessToken]
TokenSource = Callable[[], Union[Token, Awaitable[Token]]]


class TokenProvider(_native.TokenCallback):
    """Answers the native library's token requests with a function of the caller.

    An async function runs in the event loop that last ran a call of the client, because its resources may belong to
    that loop, or in the package's own loop if that one has ended. Other functions run in a thread. The native library
    does not block on the function, and the function is cancelled when the deadline for the token passes.
    """

    def __init__(self, source: TokenSource) -> None:
        if not callable(source):
            raise _values.type_error("token", source, "a function that returns a token, async or not")
        self._source = source
        self._loop: Optional[asyncio.AbstractEventLoop] = None

    def remember_loop(self) -> None:
        self._loop = running_loop()

    def request_token(self, answer: _native.TokenAnswer) -> None:
        """Starts fetching a token. The native library calls this from one of its threads."""
        loop = self._loop
        reply = self._reply(answer)
        try:
            if loop is None or not loop.is_running():
                loop = _loop.background_loop()
            asyncio.run_coroutine_threadsafe(reply, loop)
        except RuntimeError as error:
            # The loop was just closed, or the interpreter is shutting down.
            reply.close()
            answer.refuse(f"there is no event loop to run the token source in: {error}")

    async def _reply(self, answer: _native.TokenAnswer) -> None:
        token = asyncio.ensure_future(self._fetch())
        over = asyncio.ensure_future(answer.over())
        try:
            await asyncio.wait([token, over], return_when=asyncio.FIRST_COMPLETED)
            if token.done():
                answer.give(token.result())
        except asyncio.CancelledError:
            answer.refuse("the token source was cancelled")
            raise
        except BaseException as error:
            answer.refuse(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)
            if not isinstance(error, Exception):
                raise
        finally:
            token.cancel()
            over.cancel()

    async def _fetch(self) -> _native.AccessToken:
        source = self._source
        if inspect.iscoroutinefunction(source) or inspect.iscoroutinefunction(getattr(source, "__call__", None)):
            token: Any = source()
        else:
            token = await _run_in_thread(source)
        if inspect.isawaitable(token):
            token = await token
        if isinstance(token, str):
            return AccessToken(token)
        if not isinstance(token, _native.AccessToken):
            raise _values.type_error("the result of the token source", token, "a str or a reelkin.AccessToken")
        return token


async def _run_in_thread(call: Callable[[], Any]) -> Any:
    """Runs a blocking function in a daemon thread, so that a function that hangs does not delay the exit."""

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
