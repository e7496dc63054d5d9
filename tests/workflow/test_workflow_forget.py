"""Forgetting tests that are gone: their lines, their payloads, and nothing else."""

from __future__ import annotations

import pytest
from workflow_bench import LOGIN, ORDERS, USERS, env, http

from booktest_cassettes.errors import UsageError
from booktest_cassettes.workflow.forget import forget

ONE, TWO = http("one"), http("two")


def test_lines_and_payloads_of_the_test_go_and_the_rest_stays(bench):
    bench.approved(USERS, http=ONE, env=env(A="1"))
    bench.approved(ORDERS, http=ONE)
    assert forget(bench.project(), [USERS]) == [USERS]
    assert set(bench.lines()) == {ORDERS}
    assert not bench.payload(USERS).exists()
    assert bench.payload(ORDERS).read_bytes() == ONE


def test_a_file_means_all_its_tests(bench):
    for test_id in (USERS, ORDERS, LOGIN):
        bench.approved(test_id, http=ONE)
    assert forget(bench.project(), ["tests/test_api.py"]) == [ORDERS, USERS]
    assert set(bench.lines()) == {LOGIN}


def test_a_typo_forgets_nothing(bench):
    bench.approved(USERS, http=ONE)
    before = bench.files()
    with pytest.raises(UsageError, match="nothing here matches"):
        forget(bench.project(), [USERS, "tests/test_ipa.py"])
    assert bench.files() == before


def test_what_waits_for_review_is_not_lost_with_it(bench):
    bench.approved(USERS, http=ONE)
    bench.stage(USERS, http=TWO)
    before = bench.manifest()
    with pytest.raises(UsageError, match="waits for review"):
        forget(bench.project(), [USERS])
    assert bench.manifest() == before
    bench.approve()
    assert bench.payload(USERS).read_bytes() == TWO
