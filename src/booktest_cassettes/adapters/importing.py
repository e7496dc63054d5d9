"""Run something when a module is imported: now if it is, else right after it is."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
import threading
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from types import ModuleType

_Hook = Callable[[str], None]
_hooks: dict[str, list[_Hook]] = {}
_lock = threading.RLock()


def when_imported(module: str, hook: _Hook) -> None:
    """Call ``hook(module)`` once the module is executed."""
    with _lock:
        loaded = sys.modules.get(module)
        if loaded is None or _still_loading(loaded):
            if not _hooks:
                sys.meta_path.insert(0, _Finder())
            _hooks.setdefault(module, []).append(hook)
            return
    hook(module)


def _still_loading(module: ModuleType) -> bool:
    return bool(getattr(getattr(module, "__spec__", None), "_initializing", False))


class _Finder(MetaPathFinder):
    """Finds what the other finders find, and wraps the loader of awaited modules."""

    def __init__(self) -> None:
        self._busy = threading.local()

    def find_spec(
        self, fullname: str, _path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname not in _hooks or getattr(self._busy, "name", None) == fullname:
            return None
        self._busy.name = fullname
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            self._busy.name = None
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


class _Loader(Loader):
    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        spec = module.__spec__
        if spec is not None:
            spec.loader = module.__loader__ = self._loader  # the module sees the loader it expects
        self._loader.exec_module(module)
        for hook in _hooks.get(module.__name__, []):
            hook(module.__name__)

    def __getattr__(self, name: str) -> object:
        return getattr(self._loader, name)
