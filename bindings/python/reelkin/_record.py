"""The base classes of generated records: `repr`, comparison, `replace`, and the notebook player of a clip.

`repr` contains no key, no query of a URL and no content of a file: neither bytes nor a data URL. This also holds inside
lists, dictionaries and JSON text.
"""

from __future__ import annotations

import datetime
import decimal
import inspect
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Optional

from ._typing import Self

if TYPE_CHECKING:
    from ._native import ClipRecord

# The types of fields that are durations.
DURATIONS = ("Duration", "Duration?")
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

    _fields: ClassVar[dict[str, str]] = {}
    """The type of each field, with a question mark if the field can be `None`."""
    _variant: ClassVar[Optional[str]] = None
    """The name of a variant."""

    def _field_values(self) -> list[Any]:
        return [vars(self)[name] for name in self._fields]

    @classmethod
    def _from_fields(cls, fields: dict[str, Any]) -> Self:
        record = object.__new__(cls)
        vars(record).update(fields)
        return record

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields as plain values that JSON can represent: text, numbers, lists and dictionaries.

        Durations are seconds, and amounts are text. A variant has its name in `type`. Secrets that `repr` hides, such as
        the text of a token, are included.
        """
        from . import _plain

        return _plain.to_plain(self)

    def to_json(self, indent: Optional[int] = None) -> str:
        """Returns `to_dict()` as JSON text. Raises `ValueError` for an infinite number, which JSON does not have."""
        return json.dumps(self.to_dict(), indent=indent, ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Creates a record from what `to_dict` returned.

        Raises `TypeError` or `ValueError`, with the name of the field, if `data` is anything else.
        """
        from . import _plain

        record: Self = _plain.from_plain(cls, data)
        return record

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
            vars(copy).update(vars(self), **self._durations(changes))
            return copy

    @classmethod
    def _durations(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Converts the values of fields that are durations, which can be given in seconds."""
        from . import _values

        return {
            name: _values.setting(name, cls._fields[name], value) if cls._fields.get(name) in DURATIONS else value
            for name, value in values.items()
        }


class Settings(Record):
    """A record that the caller creates. Its fields are checked and converted, and those that are left out have their
    default.
    """

    _default: ClassVar[Optional[str]] = None
    """The function of the native library that returns the default, if all fields have one."""

    if not TYPE_CHECKING:  # The stub declares the fields of each record.

        def __init_subclass__(cls) -> None:
            if "_fields" in vars(cls):
                kind = inspect.Parameter.KEYWORD_ONLY
                cls.__signature__ = inspect.Signature(
                    [inspect.Parameter(name, kind, default=..., annotation=cls._fields[name]) for name in cls._fields]
                )

        def __setattr__(self, name: str, value: Any) -> None:
            vars(self).update(self._convert({name: value}))

        def __init__(self, **values: Any) -> None:
            converted = self._convert(values)
            if converted.keys() != self._fields.keys():
                converted = {**self._defaults(), **converted}
            missing = [name for name in self._fields if name not in converted]
            if missing:
                raise TypeError(f"{type(self).__name__} needs {' and '.join(missing)}")
            vars(self).update((name, converted[name]) for name in self._fields)

        def replace(self, **changes: Any) -> Self:
            """Returns a copy with some fields changed."""
            return super().replace(**self._convert(changes))

    @classmethod
    def _convert(cls, values: dict[str, Any]) -> dict[str, Any]:
        from . import _values

        unknown = values.keys() - cls._fields.keys()
        if unknown:
            raise TypeError(
                f"{cls.__name__} has no field {', '.join(sorted(unknown))}: its fields are {', '.join(cls._fields)}"
            )
        return {name: _values.setting(name, cls._fields[name], value) for name, value in values.items()}

    @classmethod
    def _defaults(cls) -> dict[str, Any]:
        from . import _native

        if cls._default is not None:
            # The native library returns a complete record.
            default: Record = getattr(_native, cls._default)()
            return vars(default)
        return {name: None for name, kind in cls._fields.items() if kind.endswith("?")}


class Variant(Record):
    """A value that is one of several variants. Use `isinstance` or `match` to tell them apart."""

    __match_args__: ClassVar[tuple[str, ...]] = ()

    def _field_values(self) -> list[Any]:
        return list(vars(self).get("_values", ())) or super()._field_values()

    @classmethod
    def _from_fields(cls, fields: dict[str, Any]) -> Self:
        return cls(*fields.values()) if cls.__match_args__ == ("value",) else cls(**fields)

    def __init__(self) -> None:
        names = ", ".join(f"{type(self).__qualname__}.{name}" for name in self._variants())
        raise TypeError(f"cannot create a {type(self).__qualname__} directly: use one of {names}")

    @classmethod
    def _variants(cls) -> dict[Optional[str], type[Variant]]:
        return {name: value for name, value in vars(cls).items() if isinstance(value, type)}

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
        record: Optional[ClipRecord]

    @property
    def file(self) -> Path:
        """The file of the clip. The same as `path`, which is `None` for a clip in a bucket.

        Raises `NotFoundError` if the library is not stored in a folder. Read such a clip with `library.read`.
        """
        if self.path is None:
            from ._errors import NotFoundError

            raise NotFoundError(
                f"find the file of the clip {self.id}: its library is not stored in a folder; read it with library.read"
            )
        return self.path

    @property
    def cost(self) -> Optional[decimal.Decimal]:
        """What the clip cost in dollars, if the service reported it."""
        reelkin = self.record.reelkin if self.record else None
        return reelkin.cost if reelkin else None

    @property
    def created_at(self) -> Optional[datetime.datetime]:
        """When the sidecar was written, in UTC."""
        return self.record.created_at if self.record else None

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
