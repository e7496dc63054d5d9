"""What we patch and do not own."""

from __future__ import annotations

import pytest

from booktest_cassettes.adapters import seams
from booktest_cassettes.errors import CassetteError


class Client:
    def send(self) -> str:
        return "sent"


def test_an_attribute_is_replaced_by_what_is_made_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Client, "send", Client.send)  # put back afterwards
    seams.replace(Client, "send", lambda send: lambda self: f"watched {send(self)}")
    assert Client().send() == "watched sent"


def test_one_that_is_not_there_is_named_with_its_library() -> None:
    with pytest.raises(CassetteError, match=r"cannot intercept .*Client\._transmit: this version") as caught:
        seams.replace(Client, "_transmit", lambda send: send)
    assert "pip install" in caught.value.hint
    assert not hasattr(Client, "_transmit")
