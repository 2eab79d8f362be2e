"""What every object of the native library has in common: it belongs to the process that made it.

A copy of such an object, or one that was pickled and loaded, would hold the address of memory that it does not own. So
both are refused, with what to do instead. What can be copied, a frame above all, says so in its own class.
"""

from __future__ import annotations

from typing import Any, NoReturn

INSTEAD = {
    "VideoClient": "create a client in the worker, on the same library",
    "Library": "pass its folder, and open the library in the worker",
    "Sandbox": "pass its base_url and its api_key",
    "Job": "pass its id, and pick the job up in the worker with client.job(id)",
    "JobHandle": "pass its id, and pick the job up in the worker with client.job(id)",
    "Chain": "pass its request: in the worker, the same request goes on with the same chain",
    "ChainHandle": "pass its request: in the worker, the same request goes on with the same chain",
    "Recovery": "begin a recovery in the worker",
    "RecoveryHandle": "begin a recovery in the worker",
    "Family": "pass its members() or its to_json()",
    "Frame": "use a reelkin.Frame, which is copied by value",
}


class ProcessBound:
    """An object that can be neither copied nor pickled."""

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        self._refuse()

    def __reduce__(self) -> NoReturn:
        self._refuse()

    def __copy__(self) -> NoReturn:
        self._refuse()

    def __deepcopy__(self, memo: Any) -> NoReturn:
        self._refuse()

    def _refuse(self) -> NoReturn:
        kind = type(self)
        instead = next((INSTEAD[base.__name__] for base in kind.__mro__ if base.__name__ in INSTEAD), None)
        raise TypeError(
            f"a {kind.__qualname__} of reelkin cannot be pickled or copied, because it belongs to the process that made "
            f"it: {instead or 'make it in the process that uses it'}"
        )
