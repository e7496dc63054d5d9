"""vcrpy's ``custom_patches``: attributes replaced while a cassette is in use."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch


@contextmanager
def patched(patches: Sequence[tuple[Any, str, Any]]) -> Iterator[None]:
    """Replace ``(owner, name)`` by each value, but for vcrpy's own connections: ours stand in for all."""
    with ExitStack() as stack:
        for owner, name, value in patches:
            if not getattr(value, "__module__", "").startswith("vcr."):
                stack.enter_context(patch.object(owner, name, value))
        yield
