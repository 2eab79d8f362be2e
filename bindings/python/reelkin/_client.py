"""The asyncio client."""

from __future__ import annotations

import datetime
from types import TracebackType
from typing import Optional

from . import _media, _native, _values
from ._frame import Frame
from ._jobs import Job, Recovery
from ._library import Library
from ._media import Media
from ._native import MediaInput
from ._typing import Self
from ._values import Position, Seconds
from ._verbs import Verbs


class VideoClient(Verbs):
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

    async def frame(
        self,
        clip: Media,
        position: Position = "last",
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
        await self._abandoned.ended()
        return await self._native.recover()

    async def start_recover(self) -> Recovery:
        """Starts a recovery."""
        self._remember_loop()
        await self._abandoned.ended()
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
        most 10 s. Closing again does nothing, and neither does closing a client that `with_options` returned.
        """
        if self._owns_native:
            await self._native.close()
