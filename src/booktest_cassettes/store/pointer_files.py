"""A pointer: the small YAML file ``<payload>.dvc`` that Git keeps in place of a payload, and DVC reads.

It is written as ``dvc add`` writes it, with the sha256 below ``meta:``, which DVC leaves alone.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from ..digest import Digest
from ..errors import IntegrityError

_PLAIN = r"[A-Za-z][A-Za-z0-9_.-]*(?: [A-Za-z0-9_.-]+)*"
_OURS = re.compile(
    rf"""outs:
- md5: '?(?P<md5>[0-9a-f]{{32}})'?
  size: (?P<size>[0-9]{{1,18}})
  hash: md5
(?:  remote: (?P<remote>{_PLAIN})\n)?  path: (?P<path>{_PLAIN})
meta:
  sha256: '?(?P<sha256>[0-9a-f]{{64}})'?
\Z"""
)
_WORDS = frozenset(("true", "false", "null", "yes", "no", "on", "off", "y", "n"))
_NUMBER = re.compile("[0-9]+(?:e[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Pointer:
    """What a pointer file says.

    Attributes
    ----------
    md5:
        DVC's address of the payload, in its cache and on the remote.
    size:
        Bytes of the payload.
    name:
        The payload's file name, beside the pointer.
    digest:
        Its sha256; ``None`` in a pointer that a person had ``dvc add`` make.
    remote:
        DVC's name of the remote that holds it, ``None`` for the default one.
    """

    md5: str
    size: int
    name: str
    digest: Digest | None
    remote: str | None = None

    @property
    def address(self) -> str:
        """Where the payload is below DVC's ``files/md5``, on a remote."""
        return f"{self.md5[:2]}/{self.md5[2:]}"

    def dump(self) -> bytes:
        """The file, as DVC itself would keep it."""
        remote = f"  remote: {scalar(self.remote)}\n" if self.remote else ""
        meta = f"meta:\n  sha256: {scalar(self.digest.hex)}\n" if self.digest else ""
        text = f"outs:\n- md5: {scalar(self.md5)}\n  size: {self.size}\n  hash: md5\n{remote}"
        return f"{text}  path: {scalar(self.name)}\n{meta}".encode()

    @classmethod
    def load(cls, data: bytes, where: str) -> Pointer:
        """Read a file, in our layout or any other that DVC takes.

        Raises
        ------
        IntegrityError
            When it is not the pointer of one file.
        """
        try:
            text = data.decode()
            ours = _OURS.match(text)
            return cls._of(ours.groupdict() if ours else _parsed(text))
        except (ValueError, TypeError, KeyError) as error:
            reason = " ".join(str(error).split())[:200]
            raise IntegrityError(
                f"{where}: this is not DVC's pointer to one file: {reason}",
                hint=f"git checkout {where!r}, or record the test anew and approve it",
            ) from None

    @classmethod
    def _of(cls, fields: dict[str, Any]) -> Pointer:
        md5, sha256, remote = fields["md5"], fields.get("sha256"), fields.get("remote")
        if not re.fullmatch("[0-9a-f]{32}", md5):
            raise ValueError(f"{md5!r} is no md5 of a file")
        digest = Digest(f"sha256:{sha256}") if re.fullmatch("[0-9a-f]{64}", str(sha256)) else None
        return cls(md5, int(fields["size"]), str(fields["path"]), digest, remote and str(remote))


def md5_of(data: bytes) -> str:
    """DVC's address of some bytes; ours is :meth:`~..digest.Digest.of`. Computed as DVC computes it."""
    from dvc_data.hashfile.hash import get_hasher

    hasher = get_hasher("md5")
    hasher.update(data)
    return hasher.hexdigest()


def scalar(text: str) -> str:
    """A YAML scalar that reads back as ``text``: plain where DVC, too, would write it so."""
    if re.fullmatch("[0-9a-f]{32,}", text):  # 3 of 10 million md5s are a number to YAML
        return f"'{text}'" if _NUMBER.fullmatch(text) else text
    if re.fullmatch(_PLAIN, text) and text.lower() not in _WORDS:
        return text
    return "".join(_escape(character) for character in json.dumps(text, ensure_ascii=False))


def _escape(character: str) -> str:
    if character.isprintable() and character != "\ufeff":
        return character
    return f"\\U{ord(character):08x}" if ord(character) > 0xFFFF else f"\\u{ord(character):04x}"


def _parsed(text: str) -> dict[str, Any]:
    import yaml

    try:
        document = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None
    outs = document["outs"]
    if len(outs) != 1:
        raise ValueError(f"it has {len(outs)} outs")
    meta = document.get("meta")
    return {**outs[0], "sha256": meta.get("sha256") if isinstance(meta, dict) else None}
