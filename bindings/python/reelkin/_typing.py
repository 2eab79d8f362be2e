"""Names for annotations that older versions of Python do not have. `typing.get_type_hints` reads them as `Any`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import Self as Self
else:
    Self = Any
