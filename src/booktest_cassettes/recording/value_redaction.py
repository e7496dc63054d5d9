"""Secrets leave encoded values: by the name of their field, and wherever a declared one occurs.

What is left can be decoded. Names given in source code stay (types, classes, their fields, members of
enums), and what has to parse, as a date or a ``Decimal``, is replaced as a whole or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import count
from typing import Any

from ..errors import UsageError
from .value_codecs import CODECS, SCALAR_BUILDERS
from .value_families import FAMILY_BUILDERS
from .value_notation import (
    JSON,
    TYPE_KEY,
    VALUE_KEY,
    dump_bytes,
    dump_dict,
    dump_items,
    dump_text,
    key_text,
    load_bytes,
    load_item,
    load_text,
    tagged,
)


def redact(
    data: JSON, text: Callable[[str], str], is_secret_name: Callable[[str], bool], placeholder: str
) -> JSON:
    """Encoded data without its secrets; the same data when it holds none.

    Numbers, and names given in source code, are never looked into. A key that is no longer unique
    gets a number, as in ``REDACTED-2``.

    Parameters
    ----------
    data:
        What `values.encode` wrote.
    text:
        Any text with the secrets in it replaced. Texts, keys and the content of bytes go through it.
    is_secret_name:
        Whether what stands under this key, field or attribute is a secret, of whatever type it is.
    placeholder:
        What stands in the place of a whole value.

    Raises
    ------
    UsageError
        When the data is nested too deeply.
    """
    try:
        return _Redaction(text, is_secret_name, placeholder).value(data)
    except RecursionError as error:
        raise UsageError("the value is nested too deeply to be redacted") from error


@dataclass(frozen=True, slots=True)
class _Redaction:
    text: Callable[[str], str]
    is_secret_name: Callable[[str], bool]
    placeholder: str

    def value(self, data: JSON) -> JSON:
        if isinstance(data, str):
            return dump_text(self.text(data))
        if isinstance(data, list):
            return [self.value(item) for item in data]
        if not isinstance(data, dict):
            return data
        if TYPE_KEY not in data:
            return dump_dict(self.items(data.items()))
        name: Any = data[TYPE_KEY]
        return _RULES.get(name, _Redaction.registered)(self, name, data[VALUE_KEY])

    # --- rules, by tag: (the tag, its payload) to what replaces both ---------------------------------

    def inside(self, name: str, payload: Any) -> JSON:
        return tagged(name, self.value(payload))

    def unchanged(self, name: str, payload: Any) -> JSON:
        return tagged(name, payload)

    def at_once(self, name: str, payload: Any) -> JSON:
        """What has to parse: a placeholder inside would make it no date, no number."""
        return self.placeholder if self._tells(payload) else tagged(name, payload)

    def registered(self, name: str, payload: Any) -> JSON:
        """A codec of the user's: named parts are taken one by one, text and bytes it may have to parse."""
        tag = payload.get(TYPE_KEY, "dict") if isinstance(payload, dict) else None
        has_parts = isinstance(payload, list) or tag in _WITH_PARTS
        return self.inside(name, payload) if has_parts else self.at_once(name, payload)

    def content(self, name: str, payload: Any) -> JSON:
        return tagged(name, dump_bytes(self._bytes(load_bytes(payload))))

    def members(self, name: str, payload: Any) -> JSON:
        redacted = [(item, self.value(item)) for item in payload]
        kept = [new for old, new in redacted if new == old]
        # Two secrets may have become one: in the set, so in its data too.
        changed = {key_text(new): new for old, new in redacted if new != old and new not in kept}
        return tagged(name, sorted([*kept, *changed.values()], key=key_text))

    def mapping(self, name: str, payload: Any) -> JSON:
        items = self.items(map(load_item, payload))
        return dump_dict(items) if name == "dict" else tagged(name, dump_items(items))

    def instance(self, name: str, payload: Any) -> JSON:
        parts = dict(payload)
        fields = _items(parts.get("fields", {}))
        names = [key for key, _ in fields]
        for part in parts.keys() & {"args", "omitted"}:
            parts[part] = self.value(parts[part])
        for part in parts.keys() & {"attributes", "extra"}:  # by name, whatever the names are now
            parts[part] = dump_dict(
                sorted(self.items(_items(parts[part])), key=lambda it: _name(it[0]) or "")
            )
        if "fields" in parts:
            parts["fields"] = dump_dict([(key, self.item(key, item)) for key, item in fields])
        if "set" in parts:  # names of fields, and keys of "extra"
            parts["set"] = [key if key in names else self.value(key) for key in parts["set"]]
        return tagged(name, parts)

    # --- keys and items ------------------------------------------------------------------------------

    def items(self, items: Iterable[tuple[JSON, JSON]]) -> list[tuple[JSON, JSON]]:
        """Encoded keys and values of a dict, redacted; no two keys become one."""
        redacted = [(key, self.value(key), self.item(key, item)) for key, item in items]
        taken = {key_text(new) for old, new, _ in redacted if new == old}
        return [(new if new == old else self._unique(new, taken), item) for old, new, item in redacted]

    def item(self, key: JSON, item: JSON) -> JSON:
        name = _name(key)
        return self.placeholder if name is not None and self.is_secret_name(name) else self.value(item)

    def _unique(self, key: JSON, taken: set[str]) -> JSON:
        base = key if isinstance(key, str) else self.placeholder
        candidates = (dump_text(f"{base}-{number}") for number in count(2))
        while key_text(key) in taken:
            key = next(candidates)
        taken.add(key_text(key))
        return key

    # --- leaves --------------------------------------------------------------------------------------

    def _bytes(self, content: bytes) -> bytes:
        for encoding, errors in (("utf-8", "surrogateescape"), ("latin-1", "strict")):
            before = content.decode(encoding, errors)
            after = self.text(before)
            if after == before:
                continue
            try:
                content = after.encode(encoding, errors)
            except UnicodeEncodeError:  # the replacement is no Latin-1
                return self.placeholder.encode("utf-8", "surrogatepass")
        return content

    def _tells(self, payload: JSON) -> bool:
        """Whether a secret occurs in it. The keys are the codec's own."""
        if isinstance(payload, str):
            return self.text(payload) != payload
        if isinstance(payload, list):
            return any(map(self._tells, payload))
        if not isinstance(payload, dict):
            return False
        if TYPE_KEY in payload:
            return self.value(payload) != payload
        return any(map(self._tells, payload.values()))


def _items(data: Any) -> list[tuple[JSON, JSON]]:
    """Keys and values of any encoded dict."""
    return list(map(load_item, data[VALUE_KEY])) if TYPE_KEY in data else list(data.items())


def _name(key: Any) -> str | None:
    """What an encoded key reads as, when it is text or bytes: HTTP libraries keep headers as bytes."""
    if isinstance(key, str):
        return key
    if isinstance(key, dict) and key[TYPE_KEY] == "str":
        return load_text(key[VALUE_KEY])
    if isinstance(key, dict) and key[TYPE_KEY] == "bytes":
        return load_bytes(key[VALUE_KEY]).decode("latin-1")
    return None


_Rule = Callable[[_Redaction, str, Any], JSON]
_RULES: dict[str, _Rule] = {
    **dict.fromkeys((*SCALAR_BUILDERS, *(codec.name for codec in CODECS)), _Redaction.at_once),
    **dict.fromkeys(("tuple", "path", "pureposixpath", "purewindowspath"), _Redaction.inside),
    **dict.fromkeys(("set", "frozenset"), _Redaction.members),
    **dict.fromkeys(("dict", "ordereddict"), _Redaction.mapping),
    **dict.fromkeys(("bytes", "bytearray"), _Redaction.content),
    **dict.fromkeys(FAMILY_BUILDERS, _Redaction.instance),
    "str": lambda redaction, _, payload: dump_text(redaction.text(load_text(payload))),
    "enum": _Redaction.unchanged,
}
_WITH_PARTS = {"tuple", "set", "frozenset", "dict", "ordereddict", *FAMILY_BUILDERS} - {"enum"}
