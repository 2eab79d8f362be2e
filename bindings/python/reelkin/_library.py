"""A library of clips: what is in it, whether it is whole, what was paid."""

from __future__ import annotations

import datetime
import os
from pathlib import Path
from typing import TYPE_CHECKING, List, Optional, Union

from . import _native, _values
from ._native import Clip
from ._process import ProcessBound
from ._values import clip_name, given

if TYPE_CHECKING:
    from typing_extensions import Self

LARGEST_CLIP = 1 << 30

# In annotations `List`, since inside of the class `list` is the method.


class Folder(ProcessBound):
    """What the async and the blocking library share: how they are opened."""

    def __init__(self, native: _native.Library) -> None:
        self._native = _values.one_of("native", native, _native.Library)

    @classmethod
    def open(cls, folder: Union[str, os.PathLike[str]]) -> Self:
        """Opens a folder as a library, and makes it if it is missing. Raises `LibraryError`."""
        return cls(_native.Library.open(_values.path("folder", folder)))

    @classmethod
    def open_to_read(cls, folder: Union[str, os.PathLike[str]]) -> Self:
        """Opens a folder that exists, to read it. Raises `NotFoundError`, `LibraryError`."""
        return cls(_native.Library.open_to_read(_values.path("folder", folder)))

    def __repr__(self) -> str:
        return f"<reelkin.Library {self._native.folder() or ''}>"

    @property
    def folder(self) -> Optional[Path]:
        """The folder, if the library is one."""
        folder = self._native.folder()
        return None if folder is None else Path(folder)


class Library(Folder):
    """A library of clips. A clip is named by a `Clip`, its id, its file name or the path of its file."""

    async def clip(self, name: Union[Clip, str, os.PathLike[str]]) -> Clip:
        """A clip by its name. Raises `NotFoundError`."""
        return await self._native.clip(clip_name("name", name))

    async def list(self, limit: int = 100, before: Optional[str] = None) -> _native.Page:
        """A page of clips, newest first. `before` is `next` of the page before."""
        return await self._native.list(_values.count("limit", limit), given(_values.text, "before", before))

    async def family(self, clip: Union[Clip, str, os.PathLike[str]]) -> _native.Family:
        """Every clip that is kin of a clip, over any number of hops. A snapshot."""
        return await self._native.family(clip_name("clip", clip))

    async def verify(self) -> List[_native.Verdict]:
        """Holds every clip's bytes against what is on record. Reads all of them."""
        return await self._native.verify()

    async def verify_family(self, family: _native.Family) -> List[_native.Verdict]:
        """The same for the clips of a family."""
        return await self._native.verify_family(_values.one_of("family", family, _native.Family))

    async def read(self, clip: Union[Clip, str, os.PathLike[str]], limit: int = LARGEST_CLIP) -> bytes:
        """The bytes of a clip. More than `limit`, 1 GiB unless given, is an error."""
        return await self._native.read(clip_name("clip", clip), _values.count("limit", limit))

    async def jobs(self) -> List[_native.JobRecord]:
        """Paid requests that are open, oldest first."""
        return await self._native.jobs()

    async def stuck_jobs(self) -> List[_native.StuckJob]:
        """Records that cannot be taken up, and why."""
        return await self._native.stuck_jobs()

    async def quarantined(self) -> List[_native.QuarantinedClip]:
        """Bytes that were paid for and failed verification, kept until they are accepted, discarded or replaced."""
        return await self._native.quarantined()

    async def discard_quarantined(self, record: str) -> bool:
        """Removes what is in quarantine of a record, and says whether there was anything. The record stays."""
        return await self._native.discard_quarantined(_values.text("record", record))

    async def job_record(self, id: str) -> _native.JobRecord:
        """The record of a paid request by its id, open or settled. Raises `NotFoundError`."""
        return await self._native.job_record(_values.text("id", id))

    async def settle(self, id: str, settlement: _native.Settlement) -> _native.JobRecord:
        """Marks what became of a paid request that is open, as a person knows from the account page."""
        return await self._native.settle(
            _values.text("id", id), _values.one_of("settlement", settlement, _native.Settlement)
        )

    async def spent(
        self, since: Optional[datetime.datetime] = None, before: Optional[datetime.datetime] = None
    ) -> _native.Spent:
        """What was spent on requests that were begun in a time; without ends, on all. Times have a time zone."""
        return await spent(self._native, since, before)


async def spent(
    source: Union[_native.Library, _native.VideoClient],
    since: Optional[datetime.datetime],
    before: Optional[datetime.datetime],
) -> _native.Spent:
    return await source.spent(
        given(_values.milliseconds, "since", since), given(_values.milliseconds, "before", before)
    )
