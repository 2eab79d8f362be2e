"""The sandbox: the service on loopback, with real video and scripted faults, at no cost."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Optional

from . import _native as native
from . import _values
from ._process import ProcessBound
from ._values import given

if TYPE_CHECKING:
    from typing_extensions import Self

    from ._values import Seconds


class Server(ProcessBound):
    """What the async and the blocking sandbox share."""

    def __init__(
        self,
        *,
        listen: Optional[str] = None,
        api_key: Optional[str] = None,
        seconds_per_job: Optional[float] = None,
        zero_data_retention: bool = False,
        link_lifetime: Optional[Seconds] = None,
        faults: Sequence[str] = (),
    ) -> None:
        """`listen` is an address and a port, a free port of 127.0.0.1 unless given; `api_key` the key that is right,
        a random one unless given; `seconds_per_job` how long a job takes at least, 2. `faults` is what is to go wrong,
        as `reelkin sandbox --help` spells it, such as `"create:lost-reply,times=1"`.
        """
        self._running: Optional[native.Sandbox] = None
        self._options = native.SandboxOptions(
            listen=given(_values.text, "listen", listen),
            api_key=given(_values.text, "api_key", api_key),
            seconds_per_job=seconds_per_job,
            zero_data_retention=_values.switch("zero_data_retention", zero_data_retention),
            link_lifetime=given(_values.duration, "link_lifetime", link_lifetime),
            faults=_values.texts("faults", faults),
        )

    @property
    def _native(self) -> native.Sandbox:
        if self._running is None:
            raise RuntimeError("the sandbox is not started: use it in a with statement, or call start()")
        return self._running

    def __repr__(self) -> str:
        return f"<reelkin.Sandbox {self._running.base_url() if self._running else 'not started'}>"

    @property
    def base_url(self) -> str:
        """What a client takes for its base URL."""
        return self._native.base_url()

    @property
    def api_key(self) -> str:
        """The key that is right."""
        return self._native.api_key()

    @property
    def state(self) -> native.SandboxState:
        """What was asked of it so far: creates, polls, downloads, jobs."""
        return self._native.state()

    def add_faults(self, faults: Sequence[str]) -> None:
        """Adds faults to the script. Raises `InvalidRequestError` for one that is none."""
        self._native.add_faults(_values.texts("faults", faults))

    def clear_faults(self) -> None:
        """Takes all faults out of the script."""
        self._native.clear_faults()

    def expire_links(self) -> None:
        """Ends all links to clips that were given so far."""
        self._native.expire_links()


class Sandbox(Server):
    """The service on loopback, for asyncio: `async with Sandbox() as box`, then a client at `box.base_url`."""

    async def start(self) -> Self:
        """Starts it. Raises `ConfigError` when the address cannot be bound."""
        if self._running is not None:
            raise RuntimeError("the sandbox was started before: make a new one")
        self._running = await native.start_sandbox(self._options)
        return self

    async def restart(self, downtime: Seconds) -> None:
        """Goes down, and comes back at the same address."""
        await self._native.restart(_values.duration("downtime", downtime))

    async def stop(self) -> None:
        """Stops it and removes its clips. A second call does nothing."""
        if self._running is not None:
            await self._running.stop()

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        await self.stop()
