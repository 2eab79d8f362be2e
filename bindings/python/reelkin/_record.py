"""The base classes of generated records: `repr`, comparison, `replace`, and the notebook player of a clip.

`repr` contains no key, no query of a URL and no content of a file: neither bytes nor a data URL. This also holds inside
lists, dictionaries and JSON text.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

if TYPE_CHECKING:
    from typing_extensions import Self

SECRET_FIELDS = frozenset({"api_key", "secret", "upload_url"})
MAX_TEXT_LENGTH = 400
MAX_PLAYER_BYTES = 16 * 1024 * 1024
DATA_URL = re.compile(r'\bdata:[\w.+/-]*(?:;[\w.+=-]+)*,[^\s"<>]*', re.IGNORECASE)
URL_QUERY = re.compile(r'(\bhttps?://[^\s"<>?]*\?)[^\s"<>]+', re.IGNORECASE)


def _format(name: str, value: object) -> str:
    if name in SECRET_FIELDS and value is not None:
        return "'...'"
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"<{len(value)} bytes>"
    if isinstance(value, str):
        return _format_text(value)
    if isinstance(value, list):
        return f"[{', '.join(_format('', item) for item in value)}]"
    if isinstance(value, dict):
        items = (f"{_format('', key)}: {_format(str(key), item)}" for key, item in value.items())
        return f"{{{', '.join(items)}}}"
    return repr(value)


def _format_text(text: str) -> str:
    if text[:5].lower() == "data:":
        return f"<data URL of {len(text)} characters>"
    if text[:8].lower().startswith(("http://", "https://")) and "?" in text:
        text = text.split("?", 1)[0] + "?..."
    # JSON and the texts of the service contain URLs between other text.
    text = DATA_URL.sub(lambda url: f"<data URL of {len(url[0])} characters>", text)
    text = URL_QUERY.sub(r"\1...", text)
    if len(text) > MAX_TEXT_LENGTH:
        text = text[:MAX_TEXT_LENGTH] + "..."
    return repr(text)


class Record:
    """A value with named fields."""

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={_format(name, value)}" for name, value in vars(self).items())
        return f"{type(self).__qualname__}({fields})"

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return vars(self) == vars(other)

    # A record is mutable, so it has no hash.
    __hash__ = None  # type: ignore[assignment]

    if not TYPE_CHECKING:  # The stub declares `replace` with the fields of each record.

        def replace(self, **changes: Any) -> Self:
            """Returns a copy with some fields changed."""
            unknown = changes.keys() - vars(self).keys()
            if unknown:
                raise TypeError(f"{type(self).__qualname__} has no field {', '.join(sorted(unknown))}")
            copy = object.__new__(type(self))
            vars(copy).update(vars(self), **changes)
            return copy


class Variant(Record):
    """A value that is one of several variants. Use `isinstance` or `match` to tell them apart."""

    def __init__(self) -> None:
        raise TypeError(f"cannot create a {type(self).__qualname__} directly: use one of {self._variant_names()}")

    @classmethod
    def _variant_names(cls) -> str:
        names = [name for name, value in vars(cls).items() if isinstance(value, type)]
        return ", ".join(f"{cls.__qualname__}.{name}" for name in names)

    def __repr__(self) -> str:
        values = vars(self).get("_values")
        if values is None:
            return super().__repr__()
        return f"{type(self).__qualname__}({', '.join(_format('', value) for value in values)})"

    if not TYPE_CHECKING:

        @property
        def value(self) -> Any:
            """The value of a variant with a single unnamed field."""
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
