"""The asyncio sandbox, and what it shares with the blocking one."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Optional

from . import _native as native
from . import _values
from ._process import ProcessBound
from ._typing import Self
from ._values import Seconds, optional


class BaseSandbox(ProcessBound):
    """What the asyncio and the blocking sandbox share: everything but starting and stopping."""

    def __init__(
        self,
        *,
        listen: Optional[str] = None,
        api_key: Optional[str] = None,
        min_job_duration: Optional[Seconds] = None,
        zero_data_retention: bool = False,
        link_lifetime: Optional[Seconds] = None,
        faults: Sequence[str] = (),
    ) -> None:
        """Configures a sandbox without starting it.

        Args:
            listen: The address and port to listen on. Defaults to a free port of 127.0.0.1.
            api_key: The API key to accept. Defaults to a random one.
            min_job_duration: Minimum duration of a job. Defaults to 2 s.
            zero_data_retention: Whether every request needs an upload URL, as for teams with zero data retention.
            link_lifetime: How long download links stay valid. Defaults to 24 hours.
            faults: The faults to inject, in the syntax of `reelkin sandbox --help`, such as
                `"create:lost-reply,times=1"`.
        """
        self._running: Optional[native.Sandbox] = None
        self._options = native.SandboxOptions(
            listen=optional(_values.text, "listen", listen),
            api_key=optional(_values.text, "api_key", api_key),
            min_job_duration=optional(_values.duration, "min_job_duration", min_job_duration),
            zero_data_retention=_values.flag("zero_data_retention", zero_data_retention),
            link_lifetime=optional(_values.duration, "link_lifetime", link_lifetime),
            faults=_values.texts("faults", faults),
        )

    @property
    def _native(self) -> native.Sandbox:
        if self._running is None:
            raise RuntimeError("the sandbox is not started: use it in a with statement or call start()")
        return self._running

    def __repr__(self) -> str:
        return f"<reelkin.Sandbox {self._running.base_url() if self._running else 'not started'}>"

    @property
    def base_url(self) -> str:
        """The base URL for clients of this sandbox."""
        return self._native.base_url()

    @property
    def api_key(self) -> str:
        """The API key that the sandbox accepts."""
        return self._native.api_key()

    @property
    def state(self) -> native.SandboxState:
        """Counters and jobs: the creates, polls and downloads so far."""
        return self._native.state()

    def add_faults(self, faults: Sequence[str]) -> None:
        """Adds faults after the existing ones. Raises `InvalidRequestError` if one does not parse."""
        self._native.add_faults(_values.texts("faults", faults))

    def clear_faults(self) -> None:
        """Removes all faults."""
        self._native.clear_faults()

    def expire_links(self) -> None:
        """Expires all download links issued so far."""
        self._native.expire_links()


class Sandbox(BaseSandbox):
    """A local server that speaks the service's protocol, renders real video and injects faults. It costs nothing.

    Example:
        async with Sandbox() as sandbox:
            client = VideoClient("clips", api_key=sandbox.api_key, base_url=sandbox.base_url)
    """

    async def start(self) -> Self:
        """Starts the sandbox. Raises `ConfigError` if the address cannot be bound."""
        if self._running is not None:
            raise RuntimeError("the sandbox was started before: create a new one")
        self._running = await native.start_sandbox(self._options)
        return self

    async def restart(self, downtime: Seconds) -> None:
        """Closes all connections, refuses new ones for a time, and then serves again at the same address."""
        await self._native.restart(_values.duration("downtime", downtime))

    async def stop(self) -> None:
        """Stops the sandbox and deletes its clips. Does nothing if it is stopped already.

        If a restart is in progress, the sandbox stops when the restart ends.
        """
        if self._running is not None:
            await self._running.stop()

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        await self.stop()
