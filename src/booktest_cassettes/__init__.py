"""Record what your tests exchange with the world, review it, replay it strictly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .use import cassette

if TYPE_CHECKING:
    from collections.abc import Callable

    from .adapters.persister import BlobPersister
    from .vcr_user import Vcr

__all__ = ["__version__", "cassette", "register_codec", "vcr", "vcr_persister"]
__version__ = "0.1.0"


def vcr(**options: Any) -> Vcr:
    """What ``vcr.VCR(**options)`` is to vcrpy's users, over blobs.

    ``use_cassette(path, **options)`` decorates and is a context manager; the cassette it gives has
    vcrpy's ``play_count``, ``all_played``, ``requests`` and ``responses``. The path is the id.

    Parameters
    ----------
    options:
        vcrpy's options, and those of :data:`cassette`; see docs/vcrpy.md.

    Raises
    ------
    UsageError
        For an option that neither has.
    """
    from .vcr_user import Vcr

    return Vcr(**options)


def vcr_persister() -> BlobPersister:
    """A vcrpy persister that keeps cassettes as blobs, for those who keep their own ``vcr.VCR``.

    ``my_vcr.register_persister(booktest_cassettes.vcr_persister())`` is the whole change: record
    modes, matchers and filters stay vcrpy's; the cassette path becomes the id; missing and corrupt
    blobs raise.
    """
    from .adapters.persister import BlobPersister

    return BlobPersister()


def register_codec(
    kind: type, name: str, to_json: Callable[[Any], Any], from_json: Callable[[Any], Any]
) -> None:
    """Teach function snapshots a type of your own.

    Parameters
    ----------
    kind:
        The class (its subclasses are not included).
    name:
        How it is marked in the blob; keep it stable.
    to_json, from_json:
        Into JSON (and what other codecs know), and back.
    """
    from .recording.values import register

    register(kind, name, to_json, from_json)
