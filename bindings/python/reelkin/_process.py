"""The base class of objects that wrap native objects. They belong to the process that created them.

A copied or unpickled object would hold the address of memory that it does not own. Both operations therefore raise a
`TypeError` that says what to do instead. Classes that support copying, such as `Frame`, define it themselves.
"""

from __future__ import annotations

from typing import Any, NoReturn

ALTERNATIVES = {
    "VideoClient": "create a client in the worker for the same library",
    "Library": "pass its folder and open the library in the worker",
    "Sandbox": "pass its base_url and its api_key",
    "Job": "pass its id and resume the job in the worker with client.job(id)",
    "JobHandle": "pass its id and resume the job in the worker with client.job(id)",
    "Chain": "pass its request: in the worker, the same request continues the same chain",
    "ChainHandle": "pass its request: in the worker, the same request continues the same chain",
    "Recovery": "start a recovery in the worker",
    "RecoveryHandle": "start a recovery in the worker",
    "Family": "pass its members() or its to_json()",
    "Frame": "use a reelkin.Frame, which is copied by value",
}


class ProcessBound:
    """An object that cannot be copied or pickled."""

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
        names = (base.__name__ for base in kind.__mro__)
        alternative = next((ALTERNATIVES[name] for name in names if name in ALTERNATIVES), None)
        raise TypeError(
            f"a reelkin {kind.__qualname__} cannot be pickled or copied, because it belongs to the process that "
            f"created it: {alternative or 'create it in the process that uses it'}"
        )
