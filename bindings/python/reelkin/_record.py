"""What every record of the package can do: be shown, compared, changed in a copy, pickled.

Owns no name of the interface. What is shown never has a key, a signed URL or a file's content in it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

if TYPE_CHECKING:
    from typing_extensions import Self

SECRET = frozenset({"api_key", "secret", "upload_url"})
LONGEST_TEXT = 400
LONGEST_CLIP = 16 * 1024 * 1024


def _shown(name: str, value: object) -> str:
    if name in SECRET and value is not None:
        return "'...'"
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"<{len(value)} bytes>"
    if isinstance(value, str):
        if value[:8].lower().startswith(("http://", "https://")) and "?" in value:
            value = value.split("?", 1)[0] + "?..."
        if len(value) > LONGEST_TEXT:
            value = value[:LONGEST_TEXT] + "..."
    return repr(value)


class Record:
    """A value with named fields."""

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={_shown(name, value)}" for name, value in vars(self).items())
        return f"{type(self).__qualname__}({fields})"

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return vars(self) == vars(other)

    # They can be changed.
    __hash__ = None  # type: ignore[assignment]

    if not TYPE_CHECKING:  # The stub has it with the fields of each record.

        def replace(self, **changes: Any) -> Self:
            """A copy with other values in some fields."""
            unknown = changes.keys() - vars(self).keys()
            if unknown:
                raise TypeError(f"{type(self).__qualname__} has no field {', '.join(sorted(unknown))}")
            copy = object.__new__(type(self))
            vars(copy).update(vars(self), **changes)
            return copy


class Variant(Record):
    """One of several kinds of a value: told apart with `isinstance` or `match`."""

    def __init__(self) -> None:
        raise TypeError(f"choose one of the kinds of {type(self).__qualname__}, such as {self._kinds()}")

    @classmethod
    def _kinds(cls) -> str:
        kinds = [name for name, kind in vars(cls).items() if isinstance(kind, type)]
        return ", ".join(f"{cls.__qualname__}.{kind}" for kind in kinds)

    def __repr__(self) -> str:
        values = vars(self).get("_values")
        if values is None:
            return super().__repr__()
        return f"{type(self).__qualname__}({', '.join(_shown('', value) for value in values)})"

    if not TYPE_CHECKING:

        @property
        def value(self) -> Any:
            """The value of a kind that has one without a name."""
            try:
                return self._values[0]
            except (AttributeError, IndexError):
                raise AttributeError(f"{type(self).__qualname__} has no attribute 'value'") from None


class PlayableClip(Record):
    """A clip that plays in a notebook."""

    if TYPE_CHECKING:
        id: str
        file_name: str
        path: Optional[Path]

    def _repr_html_(self) -> Optional[str]:
        """The clip as a player, with its bytes in the page. Above 16 MiB, or without a file, the words of `repr`."""
        import base64
        import html

        try:
            if self.path is None or self.path.stat().st_size > LONGEST_CLIP:
                return None
            content = base64.b64encode(self.path.read_bytes()).decode("ascii")
        except OSError:
            return None
        return (
            f'<video controls loop style="max-width: 100%" title="{html.escape(self.id)}" '
            f'src="data:video/mp4;base64,{content}"></video>'
        )
