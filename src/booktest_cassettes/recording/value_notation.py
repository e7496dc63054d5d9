"""How values are written down as JSON: the tag, awkward texts, bytes, and dicts that keep their order."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, TypeGuard

from .value_refusals import Trail, expect

JSON: TypeAlias = "bool | int | float | str | list[JSON] | dict[str, JSON] | None"
# One run of `values.encode`, handed to whoever takes a value apart.
Encode: TypeAlias = Callable[[Any, Trail], JSON]

TYPE_KEY = "$type"
VALUE_KEY = "value"


def tagged(name: str, value: JSON) -> dict[str, JSON]:
    """What stands for a value of the type called ``name``."""
    return {TYPE_KEY: name, VALUE_KEY: value}


def key_text(data: JSON) -> str:
    """One line of JSON, equal for equal data: to sort and to look up by.

    Not ``canonical.dumps``, which writes blobs: the order of a set must not hang on line lengths.
    """
    return json.dumps(data, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def dump_text(value: str) -> JSON:
    """A text as itself, unless UTF-8 cannot hold it (lone surrogates)."""
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            return tagged("str", dump_bytes(value.encode("utf-8", "surrogatepass")))
    return value


def load_text(payload: str) -> str:
    """The text of the tag "str"."""
    return load_bytes(payload).decode("utf-8", "surrogatepass")


def dump_bytes(value: bytes | bytearray) -> str:
    """Base64."""
    return base64.b64encode(value).decode("ascii")


def load_bytes(payload: str) -> bytes:
    """The inverse of `dump_bytes`."""
    return base64.b64decode(payload, validate=True)


def dump_dict(items: Sequence[tuple[JSON, JSON]]) -> JSON:
    """A dict of encoded keys and values: an object where that keeps their order, else a list."""
    names = [key for key, _ in items if _is_name(key)]
    if len(names) == len(items) and names == sorted(names):
        return dict(zip(names, (value for _, value in items), strict=True))
    # Canonical JSON sorts the keys of an object, so the order of these needs a list.
    return tagged("dict", dump_items(items))


def dump_items(items: Sequence[tuple[JSON, JSON]]) -> JSON:
    """Encoded keys and values in their order."""
    # One object per item, not [key, value]: a secret field is found by its name in an object.
    return [{key: value} if _is_name(key) else [key, value] for key, value in items]


def load_item(item: Any) -> tuple[Any, Any]:
    """Key and value of one item of `dump_items`."""
    [(key, value)] = item.items() if type(item) is dict else [expect(list, item)]
    return key, value


def _is_name(key: JSON) -> TypeGuard[str]:
    """Whether an encoded key may be the key of a JSON object."""
    return isinstance(key, str) and key != TYPE_KEY
