"""The asyncio library, and what it shares with the blocking one."""

from __future__ import annotations

import datetime
import os
import warnings
from collections.abc import AsyncIterator
from pathlib import Path
from typing import List, Optional, Union

from . import _native, _values
from ._media import clip_name
from ._native import Clip
from ._process import ProcessBound
from ._typing import Self
from ._values import optional

MAX_CLIP_BYTES = 1 << 30

# Annotations use `List`, because `list` is a method of the class.


class BaseLibrary(ProcessBound):
    """What the asyncio and the blocking library share: how they are opened."""

    def __init__(self, native: _native.Library) -> None:
        self._native = _values.instance("native", native, _native.Library)

    @classmethod
    def open(cls, folder: Union[str, os.PathLike[str]]) -> Self:
        """Opens a folder as a library. Creates the folder if it does not exist. Raises `LibraryError`."""
        return cls(_native.Library.open(_values.path("folder", folder)))

    @classmethod
    def open_to_read(cls, folder: Union[str, os.PathLike[str]]) -> Self:
        """Opens an existing folder for reading. Raises `NotFoundError` or `LibraryError`."""
        return cls(_native.Library.open_to_read(_values.path("folder", folder)))

    def __repr__(self) -> str:
        return f"<reelkin.Library {self._native.folder() or ''}>"

    @property
    def folder(self) -> Optional[Path]:
        """The folder of the library, if it is stored in a folder."""
        folder = self._native.folder()
        return None if folder is None else Path(folder)


class Library(BaseLibrary):
    """A library of clips. Methods accept a `Clip`, its id, its file name or its path."""

    async def clip(self, name: Union[Clip, str, os.PathLike[str]]) -> Clip:
        """Finds a clip by its id, file name or path. Raises `NotFoundError`."""
        return await self._native.clip(clip_name("name", name))

    async def list(self, limit: int = 100, before: Optional[str] = None) -> _native.Page:
        """Lists a page of clips, newest first. `before` is `next` of the previous page."""
        return await self._native.list(_values.count("limit", limit), optional(_values.text, "before", before))

    async def __aiter__(self) -> AsyncIterator[Clip]:
        """Iterates over all clips, newest first, a page at a time.

        Warns of a clip whose sidecar cannot be read, and leaves it out; `list` returns it with its error.
        """
        before: Optional[str] = None
        while True:
            page = await self.list(before=before)
            for entry in page.clips:
                if entry.clip is not None:
                    yield entry.clip
                else:
                    warnings.warn(f"clip {entry.id} is left out: {entry.error}", RuntimeWarning, stacklevel=2)
            if page.next is None:
                return
            before = page.next

    async def family(self, clip: Union[Clip, str, os.PathLike[str]]) -> _native.Family:
        """Returns a snapshot of the clips that are related to a clip, directly or through other clips."""
        return await self._native.family(clip_name("clip", clip))

    async def verify(self) -> List[_native.Verdict]:
        """Verifies every clip against its recorded hash. Reads all clips."""
        return await self._native.verify()

    async def verify_family(self, family: _native.Family) -> List[_native.Verdict]:
        """Verifies the clips of a family against their recorded hashes."""
        return await self._native.verify_family(_values.instance("family", family, _native.Family))

    async def read(self, clip: Union[Clip, str, os.PathLike[str]], limit: int = MAX_CLIP_BYTES) -> bytes:
        """Reads the bytes of a clip. Raises `InvalidRequestError` if there are more than `limit`."""
        return await self._native.read(clip_name("clip", clip), _values.count("limit", limit))

    async def jobs(self) -> List[_native.JobRecord]:
        """Lists the open paid requests, oldest first."""
        return await self._native.jobs()

    async def stuck_jobs(self) -> List[_native.StuckJob]:
        """Lists the records that a recovery cannot process."""
        return await self._native.stuck_jobs()

    async def quarantined(self) -> List[_native.QuarantinedClip]:
        """Lists downloads that failed verification, kept until they are accepted, discarded or replaced."""
        return await self._native.quarantined()

    async def discard_quarantined(self, record_id: str) -> bool:
        """Deletes the quarantined download of a record. Returns whether there was one. The record stays unchanged."""
        return await self._native.discard_quarantined(_values.text("record_id", record_id))

    async def job_record(self, id: str) -> _native.JobRecord:
        """Returns the record of a paid request, open or settled, by the record's id. Raises `NotFoundError`."""
        return await self._native.job_record(_values.text("id", id))

    async def settle(self, id: str, settlement: _native.Settlement) -> _native.JobRecord:
        """Settles an open paid request by hand, with what the account page shows about it."""
        return await self._native.settle(
            _values.text("id", id), _values.instance("settlement", settlement, _native.Settlement)
        )

    async def spent(
        self, since: Optional[datetime.datetime] = None, before: Optional[datetime.datetime] = None
    ) -> _native.Spent:
        """Returns what was spent on requests started at or after `since` and before `before`.

        A bound that is left out is open. Times must have a time zone.
        """

        return await self._native.spent(
            optional(_values.time, "since", since), optional(_values.time, "before", before)
        )
