"""pytest-recording's fixtures, for suites that were written for it; registered where nobody else has them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from . import vcr_options
from .running import RUN

if TYPE_CHECKING:
    from ..vcr_user import VcrCassette

_FORBIDDEN = r"<>?%*:|\"'/\\"


@pytest.fixture
def vcr_config() -> dict[str, Any]:
    """Options of all ``vcr`` marks: override it, in any scope."""
    return {}


@pytest.fixture(scope="session")
def record_mode(request: pytest.FixtureRequest) -> str:
    """What the command line asks for, ``none`` where it asks for nothing."""
    return vcr_options.mode(request.config) or "none"


@pytest.fixture(scope="session")
def disable_recording(request: pytest.FixtureRequest) -> bool:
    """Whether the command line switches cassettes off."""
    return bool(vcr_options.option(request.config, "--disable-recording"))


@pytest.fixture(scope="module")
def vcr_cassette_dir(request: pytest.FixtureRequest) -> str:
    """Where the files of this module's recordings were; ``migrate`` asks for it, nothing is written there."""
    path = Path(request.node.path)
    return str(path.parent / "cassettes" / path.stem)


@pytest.fixture
def default_cassette_name(request: pytest.FixtureRequest) -> str:
    """What the file of this test's recording was called, without its suffix."""
    marker = request.node.get_closest_marker("default_cassette")
    if marker is not None and marker.args:
        return str(marker.args[0])
    owner = request.cls
    name = f"{owner.__name__}.{request.node.name}" if owner else request.node.name
    return "".join("-" if letter in _FORBIDDEN else letter for letter in name)


@pytest.fixture
def vcr_markers(request: pytest.FixtureRequest) -> list[pytest.Mark]:
    """The ``vcr`` marks of this test, its own first."""
    return list(request.node.iter_markers("vcr"))


@pytest.fixture
def vcr(request: pytest.FixtureRequest) -> VcrCassette | None:
    """This test's cassette as vcrpy's shows itself: ``play_count``, ``all_played``, ``requests``..."""
    run = request.node.stash.get(RUN, None)
    if run is None:
        return None
    from ..vcr_user import shown

    return shown(run.handle)


@pytest.fixture
def allowed_hosts(request: pytest.FixtureRequest) -> list[str] | None:
    """Regular expressions of hosts that a blocked test may connect to: mark, command line, ``vcr_config``."""
    marker = request.node.get_closest_marker("block_network")
    found = (
        (marker.kwargs.get("allowed_hosts") if marker else None)
        or vcr_options.option(request.config, "--allowed-hosts")
        or request.getfixturevalue("vcr_config").get("allowed_hosts")
    )
    return found.split(",") if isinstance(found, str) else found


@pytest.fixture
def block_network(request: pytest.FixtureRequest) -> Iterator[None]:
    """Refuses every connection of this test, unless its cassette records."""
    from ..blocking import blocked, check_mark

    marker = request.node.get_closest_marker("block_network")
    if marker is not None:
        check_mark(marker.args, marker.kwargs)
    run = request.node.stash.get(RUN, None)
    if run is not None and run.session is not None and run.session.records:
        yield
        return
    with blocked(request.getfixturevalue("allowed_hosts") or ()):
        yield
