"""The values for arguments that a call leaves out, which `with_options` changes."""

from __future__ import annotations

import datetime
from typing import Any, Callable, Optional, TypeVar, cast

from . import _values
from ._native import (
    ChainRequest,
    ChainStart,
    ContinueRequest,
    ContinueStrategy,
    EditRequest,
    ExtendRequest,
    GenerateMode,
    GenerateRequest,
    PlanChoice,
)

R = TypeVar("R")

CONVERSIONS: dict[str, Callable[[str, Any], Any]] = {
    "timeout": _values.duration,
    "model": _values.text,
    "duration": _values.duration,
    "resolution": _values.text,
    "aspect_ratio": _values.text,
    "audio": _values.flag,
    "plan": lambda _, value: _values.plan(value),
    "user": _values.text,
}


class CallOptions:
    """Options of calls. They do not change."""

    def __init__(self, values: Optional[dict[str, Any]] = None) -> None:
        self._values = values or {}

    def replace(self, **values: Any) -> CallOptions:
        """Returns the options with those that are not `None` replaced."""
        given = {name: CONVERSIONS[name](name, value) for name, value in values.items() if value is not None}
        return CallOptions({**self._values, **given})

    @property
    def timeout(self) -> Optional[datetime.timedelta]:
        return self._values.get("timeout")

    def fill(self, request: R) -> R:
        """Returns a request whose open fields have the values of the options."""
        if not self._values:
            return request
        return cast(R, self._filled(request))

    def _filled(self, request: Any) -> Any:
        # A request with the clip that it continues.
        if isinstance(request, tuple):
            return tuple(map(self._filled, request))
        if isinstance(request, ChainRequest):
            start = request.start
            if isinstance(start, ChainStart.Generate):
                start = ChainStart.Generate(self._filled(start.value))
            return request.replace(start=start, steps=[self._filled(step) for step in request.steps])
        if not isinstance(request, (GenerateRequest, EditRequest, ExtendRequest, ContinueRequest)):
            return request
        open_fields = {
            name: value
            for name, value in self._values.items()
            if name in request._fields and _is_open(getattr(request, name)) and _applies(name, request)
        }
        fields: Any = open_fields
        return request.replace(**fields)


def _is_open(value: object) -> bool:
    return value is None or isinstance(value, PlanChoice.Default)


# With these the service cannot extend a clip, which is how "auto" continues it if that is possible.
NOT_FOR_EXTENSIONS = ("model", "duration", "resolution", "aspect_ratio", "audio")


def _applies(name: str, request: object) -> bool:
    if isinstance(request, ContinueRequest) and request.strategy in (ContinueStrategy.AUTO, ContinueStrategy.EXTEND):
        return name not in NOT_FOR_EXTENSIONS
    if name == "duration":
        # That of an extension is the length to add, which has limits of its own.
        return not isinstance(request, ExtendRequest)
    if name == "aspect_ratio":
        # An image determines the aspect ratio of a clip that starts from it.
        mode = getattr(request, "mode", None)
        return isinstance(mode, (GenerateMode.Text, GenerateMode.References))
    return True
