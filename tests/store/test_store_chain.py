"""Several stores in a row: the first that has a blob answers."""

from __future__ import annotations

import pytest
from store_shelves import key_of

from booktest_cassettes.errors import BlobCorrupt
from booktest_cassettes.store.chain import ChainStore
from booktest_cassettes.store.memory import MemoryStore

DATA, OTHER = b"data", b"other"


@pytest.fixture
def stores() -> tuple[MemoryStore, MemoryStore]:
    return MemoryStore(), MemoryStore()


def test_what_the_first_does_not_have_the_next_is_asked_for(stores):
    first, second = stores
    second.put(key_of(DATA), DATA)
    chain = ChainStore(stores)
    assert chain.get(key_of(DATA)) == DATA
    assert chain.has(key_of(DATA))
    assert first.blobs == {}


def test_a_corrupt_copy_is_an_error_even_where_another_is_intact(stores):
    first, second = stores
    first.blobs[key_of(DATA)] = b"torn"
    second.put(key_of(DATA), DATA)
    with pytest.raises(BlobCorrupt):
        ChainStore(stores).get(key_of(DATA))


def test_only_the_first_is_written_to_and_deleted_from(stores):
    first, second = stores
    second.put(key_of(OTHER), OTHER)
    chain = ChainStore(stores)
    chain.put(key_of(DATA), DATA)
    chain.delete(key_of(OTHER))
    assert set(first.blobs) == {key_of(DATA)}
    assert set(second.blobs) == {key_of(OTHER)}


def test_each_key_is_named_once(stores):
    for store in stores:
        store.put(key_of(DATA), DATA)
    stores[1].put(key_of(OTHER), OTHER)
    assert sorted(ChainStore(stores).keys()) == sorted([key_of(DATA), key_of(OTHER)])
