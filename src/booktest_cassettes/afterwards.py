"""After the last test of a strict run: what tests left behind reaches nobody either.

Exit handlers and threads run when every cassette has ended. They meet one more, which is empty and
never ends. It can fail no test any more, so it says what it refused on stderr and makes the process
end with 120: the code Python's own documentation gives to errors during its shutdown.
"""

from __future__ import annotations

import atexit
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .active import activated
from .errors import CassetteError, UnhandledRequest
from .options import Options, resolve
from .session import Session

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from .digest import Kind
    from .project import Project
    from .recording.model import Request

_armed: list[AbstractContextManager[None]] = []

#: The exit code of a process whose last flush failed.
REFUSED = 120


def arm(project: Project, *, worker: bool) -> None:
    """Refuse all that is not in the project's ``allow_hosts``, until the process ends.

    From now on where the process is the runner's own (a ``worker`` is); from its exit handlers on where
    the runner was called by a program, whose further requests are its own business.
    """
    session = Afterwards(project, "after the tests", resolve(project.config, Options()))
    if worker or _is_the_runners():
        _activate(session)
    else:
        atexit.register(_activate, session)  # the last to come is the first to be called


def refused_in(worker: Any) -> bool:
    """Whether a pytest-xdist worker, by now ended, refused something after its results were sent."""
    popen = getattr(getattr(worker.gateway, "_io", None), "popen", None)  # execnet tells it nowhere else
    return getattr(popen, "returncode", None) == REFUSED


def _is_the_runners() -> bool:
    program = Path(sys.argv[0])
    return program.stem == "pytest" or program.parts[-2:] == ("pytest", "__main__.py")


def _activate(session: Session) -> None:
    _armed.append(activated(session))  # kept, because a context that is collected ends
    _armed[-1].__enter__()


class Afterwards(Session):
    """The session of what belongs to no test."""

    @property
    def command(self) -> str:
        """What to do instead: no command records this."""
        return "do it within a test with a cassette"

    def miss(self, kind: Kind, request: Request) -> CassetteError:  # noqa: ARG002 - Session's
        """See Session."""
        line = f"{request.method} {request.url}"
        return self.refuse(
            UnhandledRequest(
                f"{self.test_id}: {line} was refused: replay is strict, and every cassette has ended",
                hint="end exit handlers and threads within the test that starts them, or put the host into"
                " allow_hosts of [cassettes] in booktest.toml",
            )
        )

    def refuse(self, error: CassetteError) -> CassetteError:
        """Say it, and where it came from, since no report will."""
        stack = "".join(traceback.format_stack()[:-1])
        print(f"booktest-cassettes: {error}\nrefused at:\n{stack}", file=sys.stderr)
        if not isinstance(sys.stderr, _FailingAtShutdown):
            sys.stderr = _FailingAtShutdown(sys.stderr)
        return error


class _FailingAtShutdown:
    """A stream whose last flush, the interpreter's own, fails: the process then ends with 120."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def flush(self) -> None:
        """Flush; and fail once exit handlers are through."""
        self._stream.flush()
        if sys.is_finalizing():
            raise OSError("network attempts were refused after the tests")
