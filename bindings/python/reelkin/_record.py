"""The base classes of generated records: `repr`, comparison, `replace`, and the notebook player of a clip.

`repr` never contains a key, the query of a URL, or the content of a file.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

if TYPE_CHECKING:
    from typing_extensions import Self

SECRET_FIELDS = frozenset({"api_key", "secret", "upload_url"})
MAX_TEXT_LENGTH = 400
MAX_PLAYER_BYTES = 16 * 1024 * 1024


def _format(name: str, value: object) -> str:
    if name in SECRET_FIELDS and value is not None:
        return "'...'"
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"<{len(value)} bytes>"
    if isinstance(value, str):
        if value[:8].lower().startswith(("http://", "https://")) and "?" in value:
            value = value.split("?", 1)[0] + "?..."
        if len(value) > MAX_TEXT_LENGTH:
            value = value[:MAX_TEXT_LENGTH] + "..."
    return repr(value)


class Record:
    """A value with named fields."""

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={_format(name, value)}" for name, value in vars(self).items())
        return f"{type(self).__qualname__}({fields})"

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return vars(self) == vars(other)

    # Records are mutable.
    __hash__ = None  # type: ignore[assignment]

    if not TYPE_CHECKING:  # The stub declares it with the fields of each record.

        def replace(self, **changes: Any) -> Self:
            """Returns a copy with some fields changed."""
            unknown = changes.keys() - vars(self).keys()
            if unknown:
                raise TypeError(f"{type(self).__qualname__} has no field {', '.join(sorted(unknown))}")
            copy = object.__new__(type(self))
            vars(copy).update(vars(self), **changes)
            return copy


class Variant(Record):
    """A value of one of several kinds. Use `isinstance` or `match` to tell them apart."""

    def __init__(self) -> None:
        raise TypeError(f"cannot create a {type(self).__qualname__} directly: use one of {self._kinds()}")

    @classmethod
    def _kinds(cls) -> str:
        kinds = [name for name, kind in vars(cls).items() if isinstance(kind, type)]
        return ", ".join(f"{cls.__qualname__}.{kind}" for kind in kinds)

    def __repr__(self) -> str:
        values = vars(self).get("_values")
        if values is None:
            return super().__repr__()
        return f"{type(self).__qualname__}({', '.join(_format('', value) for value in values)})"

    if not TYPE_CHECKING:

        @property
        def value(self) -> Any:
            """The value of a kind with a single unnamed field."""
            try:
                return self._values[0]
            except (AttributeError, IndexError):
                raise AttributeError(f"{type(self).__qualname__} has no attribute 'value'") from None


class PlayableClip(Record):
    """The base class of `Clip`, which notebooks display as a player."""

    if TYPE_CHECKING:
        id: str
        file_name: str
        path: Optional[Path]

    def _repr_html_(self) -> Optional[str]:
        """Embeds the clip in a video player. Returns `None` for clips without a file or above 16 MiB."""
        import base64
        import html

        try:
            if self.path is None or self.path.stat().st_size > MAX_PLAYER_BYTES:
                return None
            content = base64.b64encode(self.path.read_bytes()).decode("ascii")
        except OSError:
            return None
        return (
            f'<video controls loop style="max-width: 100%" title="{html.escape(self.id)}" '
            f'src="data:video/mp4;base64,{content}"></video>'
        )
