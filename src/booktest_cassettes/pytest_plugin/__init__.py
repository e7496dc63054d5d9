"""The pytest plugin: a marker, a fixture, an option and a summary; no conftest needed.

Importing it costs next to nothing: everything else is loaded by the first test that has a cassette.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from .. import runner
from ..errors import CassetteError
from ..modes import RecordMode
from . import vcr_options
from .running import RUN, PytestRunner, decoration

if TYPE_CHECKING:
    from ..session import Session
    from ..writing import Off

_SENT = "booktest_cassettes"


_RUNNER = pytest.StashKey[PytestRunner]()
_PASSED = pytest.StashKey[bool]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--cassettes=MODE``."""
    group = parser.getgroup("cassettes", "recorded interactions (booktest-cassettes)")
    group.addoption(
        "--cassettes",
        choices=[mode.value for mode in RecordMode],
        metavar="MODE",
        help=f"record mode: {', '.join(RecordMode)}; default once, and always none in CI",
    )
    group.addoption(
        "--cassettes-report",
        action="append",
        metavar="PATH",
        help="write what cassettes did to PATH (.html, .md or .json); may be given several times",
    )


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config, parser: pytest.Parser
) -> Generator[None, object, object]:
    """pytest-recording's hook, before conftests that have it; its options, where none of them has those."""
    vcr_options.add_hooks(early_config.pluginmanager)
    result = yield
    vcr_options.add_options(early_config, parser)
    return result


def pytest_configure(config: pytest.Config) -> None:
    """Make this session the one that cassettes ask."""
    config.addinivalue_line(
        "markers",
        "cassette(**options): record this test's HTTP traffic, replay it strictly; options as of"
        " booktest_cassettes.cassette",
    )
    vcr_options.configure(config)
    config.stash[_RUNNER] = PytestRunner(config)
    runner.register(config.stash[_RUNNER])
    if config.getoption("--cassettes-report"):
        from .report import begin

        begin(config, config.stash[_RUNNER])
    spread = config.getoption("numprocesses", None) and not hasattr(config, "workerinput")
    if spread or vcr_options.mode(config):
        _check_project(config.stash[_RUNNER])


def _check_project(this: PytestRunner) -> None:
    """End the session with one message where every test would fail with it."""
    from ..options import record_mode

    try:
        record_mode(this.project().config)
        _ = this.project().manifest
    except CassetteError as error:
        _end(error)


def _end(error: CassetteError) -> NoReturn:
    # pytest puts an exclamation mark behind it: not on the line that people copy.
    pytest.exit(f"{error}\n  exit code: {error.exit_code}", returncode=error.exit_code)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """Step back; what strict tests left behind is refused from here on."""
    if _RUNNER not in config.stash:
        return
    this = config.stash[_RUNNER]
    runner.unregister(this)
    del config.stash[_RUNNER]
    if this.workers and this.session is not None:
        from ..afterwards import REFUSED, refused_in

        if any(map(refused_in, this.workers)):
            this.session.exitstatus = REFUSED
    if this.replayed and runner.running() is None:
        _arm(this)


def _arm(this: PytestRunner) -> None:
    from ..options import record_mode

    project = this.project()
    if record_mode(project.config) is RecordMode.NONE:
        from ..afterwards import arm

        arm(project, worker=hasattr(this.config, "workerinput"))


def pytest_itemcollected(item: pytest.Item) -> None:
    """A marker or decorator is the fixture, asked for before all others, so that their traffic is in it."""
    names = getattr(item, "fixturenames", None)
    if names is None:
        return
    if "cassette" in names:
        names.remove("cassette")  # pytest has sorted it behind wider ones
    elif not vcr_options.wants_cassette(item) and decoration(item) is None:
        return
    names.insert(0, "cassette")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Refuse a broken configuration or manifest before the first test that would need it."""
    this = config.stash[_RUNNER]
    if clash := vcr_options.clash(config, items, this.project):
        _end(clash)
    wanting = [item for item in items if "cassette" in getattr(item, "fixturenames", ())]
    if not wanting:
        return
    if not hasattr(config, "workerinput"):  # with xdist, the controller has checked, and fetches
        _check_project(this)
        if not config.getoption("collectonly"):
            _prefetch(this, {this.cassette_id(item) for item in wanting})
    from .fixtures import of_items

    this.shared = of_items(wanting)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(node: Any, ids: Sequence[str]) -> None:
    """The first worker has collected, and no test has begun: all workers collect the same."""
    this = node.config.stash[_RUNNER]
    if this.fetched:
        return
    try:
        _prefetch(this, {this.project().test_id(this.config.rootpath, node_id) for node_id in ids})
    except pytest.exit.Exception:
        # Otherwise xdist gives each worker ten seconds to hand in tests that it was never given.
        for other in getattr(node.config.pluginmanager.get_plugin("dsession"), "_active_nodes", ()):
            other.shutdown()
        raise


def _prefetch(this: PytestRunner, ids: Collection[str]) -> None:
    """Bring what these tests will replay and this machine lacks from the remote, in one go."""
    this.fetched = True
    if not this.project().manifest.entries:
        return
    from .prefetch import prefetch

    try:
        prefetch(this.project(), ids, this.config.pluginmanager.get_plugin("terminalreporter"))
    except CassetteError as error:
        if this.project().config.ci:
            _end(error)
        this.tally.notices.add(str(error))  # tests that need none of it pass; the others say it again


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Know which test is running."""
    this = item.config.stash[_RUNNER]
    this.item = item
    try:
        return (yield)
    finally:
        this.item = None


@pytest.fixture(name="cassette")
def _cassette(request: pytest.FixtureRequest) -> Iterator[Session | Off | None]:
    """This test's cassette, with the options of its ``cassette`` markers and decorator."""
    __tracebackhide__ = True
    from ..options import make_options
    from ..use import Run

    this = request.config.stash[_RUNNER]
    item = request.node
    arguments = vcr_options.arguments(request, this.project())
    for marker in reversed(list(item.iter_markers("cassette"))):
        arguments.update(marker.kwargs)
    use = decoration(item)
    if use is not None:
        arguments.update(use.arguments)
    run = Run(this.project(), this.cassette_id(item), make_options(arguments))
    run.begin()
    item.stash[RUN] = run
    with run.active():
        yield run.handle
    passed = item.stash.get(_PASSED, False)
    del item.stash[RUN]  # items live as long as pytest: ten thousand cassettes must not
    run.finish(passed=passed)
    if passed:  # what was refused while fixtures were torn down
        run.judge(None)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[object], request: pytest.FixtureRequest
) -> Generator[None, object, object]:
    """The traffic of a fixture wider than the test that asks for it first is not that test's."""
    this = request.config.stash[_RUNNER]
    if fixturedef.scope == "function" or not this.shares(fixturedef):
        return (yield)
    from .fixtures import own_cassette

    with own_cassette(fixturedef, request, this.project(), vcr_options.for_fixtures(this.item)):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """A test whose cassette refused something fails, even if it swallowed the exception."""
    __tracebackhide__ = True
    if RUN not in item.stash:
        vcr_options.check_unhidden(item)
    try:
        result = yield
    except BaseException as error:
        if RUN in item.stash:
            item.stash[RUN].judge(error)
        raise
    if RUN in item.stash:
        item.stash[RUN].judge(None)
    item.stash[_PASSED] = True
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Count errors from before a session existed (a session reports its own)."""
    error = call.excinfo.value if call.excinfo else None
    this = item.config.stash[_RUNNER]
    if isinstance(error, CassetteError):
        this.tell(item, error)
    return (yield)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Add up what an xdist worker counted; it still has its exit handlers to run."""
    sent = getattr(node, "workeroutput", {}).get(_SENT)
    if sent:
        this = node.config.stash[_RUNNER]
        this.tally.add(sent)
        this.workers.append(node)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Send the counts home, or end with the exit code they ask for."""
    this = session.config.stash[_RUNNER]
    this.session = session
    if "tally" not in this.__dict__:
        return
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output[_SENT] = this.tally.to_send()
    else:
        session.exitstatus = this.tally.exit_code(int(session.exitstatus))


def pytest_report_header(config: pytest.Config) -> str | None:
    """Say who handles the ``vcr`` mark, where it is not us."""
    return vcr_options.header(config)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print what happened and what to do next."""
    this = config.stash[_RUNNER]
    if "tally" not in this.__dict__:
        return
    from ..options import record_mode
    from . import summary

    try:
        project = this.project()
        mode = str(record_mode(project.config))
    except CassetteError as error:
        terminalreporter.write_line(str(error))
        return
    summary.write(
        terminalreporter,
        this.tally,
        mode=mode,
        storage=project.storage.mode,
        run=project.again.command,
    )
