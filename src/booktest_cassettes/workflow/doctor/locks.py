"""Whether a process holds a lock file, without taking it for longer than the look."""

from __future__ import annotations

import os
from pathlib import Path


def is_held(path: Path) -> bool:
    """Whether somebody has it locked now. That it is there means nothing: it stays when it is let go."""
    if os.name == "nt":  # there one cannot look without taking it
        return False
    import fcntl

    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:  # absent, or not for us to look at
        return False
    try:
        # Shared: two doctors do not take each other for somebody at work.
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    else:
        return False
    finally:
        os.close(handle)
