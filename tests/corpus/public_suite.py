"""A small suite as users of pytest-recording have them, over the real cassettes of two public projects.

    python tests/corpus/public_suite.py PYTHON

runs it with the pytest-recording of PYTHON, from the cassettes as they are: what `test_corpus_dropin`
expects of ours after `migrate`. PYTHON needs pytest-recording, httpx and requests.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

CORPUS = Path(os.environ.get("BOOKTEST_CORPUS") or Path(__file__).parents[3] / "shared" / "corpus")
MODULES = {
    "test_anthropic": "llm-anthropic",
    "test_client": "pystac-client",
    "test_collection_search": "pystac-client",
    "test_cli": "pystac-client",
}
CONFTEST = """
import pytest

@pytest.fixture(scope="module")
def vcr_config():
    return {
        "filter_headers": [("authorization", "XXX"), "x-api-key"],
        "filter_query_parameters": ["subscription-key"],
        "ignore_localhost": True,
        "decode_compressed_response": True,
    }
"""
ANTHROPIC = """
import asyncio, json
import httpx
import pytest

pytestmark = pytest.mark.vcr
URL = "https://api.anthropic.com/v1/messages"
KEY = {"x-api-key": "sk-not-a-real-one", "anthropic-version": "2023-06-01"}

def body(text, model="claude-sonnet-4-5", **more):
    content = [{"type": "text", "text": text}]
    return {"max_tokens": 8192, "messages": [{"role": "user", "content": content}], "model": model, **more}

def events(text):
    return [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: ")]

def whole(found):
    assert found[0]["type"] == "message_start" and found[-1]["type"] == "message_stop"
    deltas = [event["delta"] for event in found if event["type"] == "content_block_delta"]
    return "".join(delta.get("text", "") for delta in deltas)

def ask(text, **more):
    answer = httpx.post(URL, headers=KEY, json=body(text, **more), timeout=60)
    assert answer.status_code == 200
    if answer.headers["content-type"].startswith("application/json"):
        return answer.json()
    return events(answer.text)

def test_prompt(vcr):
    assert "Two" not in whole(ask("Two names for a pet pelican, be brief", stream=True))
    assert vcr.play_count == 1 and vcr.all_played

def test_async_prompt():
    async def talk():
        async with httpx.AsyncClient(headers=KEY) as client:
            first = await client.post(URL, json=body("Two names for a pet pelican, be brief"))
            async with client.stream("POST", URL, json=body("in french")) as answer:
                second = "".join([part async for part in answer.aiter_text()])
        return whole(events(first.text)), whole(events(second))
    first, second = asyncio.run(talk())
    assert first and second and first != second

def test_stream_events_text():
    with httpx.stream("POST", URL, headers=KEY, json=body("Say just hello")) as answer:
        lines = list(answer.iter_lines())
    assert "hello" in whole(events("\\n".join(lines))).lower()

def test_tools():
    found = ask("Two names for a pet pelican", tools=[{"name": "pelican_name_generator"}])
    assert whole(found) is not None
    assert whole(ask("Two names for a pet pelican")).strip()

def test_url_prompt(vcr):
    image = "https://static.simonwillison.net/static/2024/pelican.jpg"
    assert httpx.head(image).headers["content-type"] == "image/jpeg"
    assert httpx.head(image).status_code == 200
    assert whole(ask("describe image"))
    assert vcr.play_count == 3

def test_image_prompt():
    assert whole(ask("Describe image in three words"))

def test_image_with_no_prompt():
    assert whole(ask(""))

@pytest.mark.parametrize("effort", [None])
@pytest.mark.default_cassette("test_opus_46_adaptive_thinking.yaml")
def test_adaptive(effort):
    assert whole(ask("Two names for a pet pelican, be brief", thinking={"type": "adaptive"})) is not None

@pytest.mark.default_cassette("test_schema_prompt.yaml")
@pytest.mark.vcr("test_schema_prompt_async.yaml")
def test_two_cassettes(vcr):
    assert ask("Invent a good dog") and ask("Invent a good dog")
    assert len(vcr.requests) == 2

class TestThinking:
    @pytest.mark.default_cassette("test_thinking_prompt.yaml")
    def test_it_thinks(self):
        assert any("thinking" in event.get("delta", {}) for event in ask("Two names for a pet pelican"))
"""
CLIENT = """
import pytest, requests

PLANET = "https://planetarycomputer.microsoft.com/api/stac/v1"
EARTH = "https://earth-search.aws.element84.com/v1"

@pytest.fixture(scope="module")
def session():
    with requests.Session() as session:
        yield session

class TestAPI:
    @pytest.mark.vcr
    def test_instance(self, session):
        assert session.get(PLANET).json()["type"] == "Catalog"

    @pytest.mark.vcr
    def test_from_file(self, session):
        answer = session.get(PLANET, headers={"authorization": "Bearer secret-of-mine"})
        assert answer.status_code == 200 and answer.json()["links"]

class TestQueryables:
    @pytest.mark.vcr
    def test_get_queryables(self, session, vcr):
        assert session.get("https://stac.sage.uvt.ro/").json()["id"] == "stac-fastapi"
        found = session.get("https://stac.sage.uvt.ro/queryables", params={"subscription-key": "k1"})
        assert found.json()["type"] == "object"
        assert [request.path for request in vcr.requests] == ["/", "/queryables"]

@pytest.mark.vcr
def test_get_collection_returns_none_if_not_found(session):
    assert session.get(EARTH).ok
    missing = session.get(EARTH + "/collections/foo")
    assert (missing.status_code, missing.reason) == (404, "Not Found")
    assert missing.json()["code"] == "NotFound"

@pytest.mark.vcr
def test_get_items_without_ids(session):
    for _ in range(2):
        assert session.get("https://stac.eoapi.dev/").json()["type"] == "Catalog"
    found = session.post("https://stac.eoapi.dev/search", json={}).json()
    assert found["type"] == "FeatureCollection" and found["features"]

@pytest.mark.vcr(match_on=["method", "uri", "body"])
@pytest.mark.default_cassette("test_get_items_without_ids.yaml")
def test_a_stricter_match(session):
    assert session.post("https://stac.eoapi.dev/search", json={}).ok
    assert session.get("https://stac.eoapi.dev/").ok

@pytest.mark.block_network
def test_no_network_without_a_cassette():
    with pytest.raises(RuntimeError, match="^Network is disabled for host"):
        import socket
        socket.create_connection(("192.0.2.1", 80), timeout=1)
"""
SEARCH = """
import pytest, requests

URL = "https://emc.spacebel.be/collections"

@pytest.mark.vcr
class TestCollectionSearch:
    def test_result_paging(self):
        first = requests.get(URL, params={"limit": 10, "q": "sentinel"}).json()["collections"]
        more = {"q": "sentinel", "startRecord": 11, "limit": 10}
        rest = requests.get(URL, params=more).json()["collections"]
        assert first and rest and first != rest

    def test_q_results(self):
        query = {"limit": 10, "q": '"monthly cloudless mosaics"'}
        texts = [requests.get(URL, params=query).text for _ in range(2)]
        assert "cloudless" in texts[0].lower()

    @pytest.mark.vcr(allow_playback_repeats=True)
    def test_matched(self):
        base = "https://earth-search.aws.element84.com/v1/collections"
        for _ in range(3):
            assert requests.get(base + "?limit=4&q=sentinel").json()["collections"]
"""
CLI = """
import pytest, requests

EARTH = "https://earth-search.aws.element84.com/v"

@pytest.mark.vcr
class TestCLISearch:
    @pytest.mark.parametrize("arguments", ["--ignore", "--ignore=no-conforms-to"])
    @pytest.mark.parametrize("launch", ["inprocess"])
    def test_non_conformant_can_be_ignored(self, launch, arguments):
        assert requests.get(EARTH + "0").ok
        assert requests.post(EARTH + "0/search", json={"limit": 20}).json()["features"]

    @pytest.mark.parametrize("launch", ["inprocess"])
    def test_matched(self, launch):
        assert requests.get(EARTH + "1").json()["type"] == "Catalog"
        wanted = {"collections": ["cop-dem-glo-30"], "limit": 1}
        found = requests.post(EARTH + "1/search", json=wanted).json()
        assert found["context"]["matched"] > 0
"""
SOURCES = {
    "test_anthropic": ANTHROPIC,
    "test_client": CLIENT,
    "test_collection_search": SEARCH,
    "test_cli": CLI,
}


def write(root: Path) -> None:
    """The suite, and the cassettes beside it."""
    tests = root / "tests"
    tests.mkdir(parents=True)
    (root / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers --record-mode=none\n")
    (tests / "conftest.py").write_text(CONFTEST)
    for module, project in MODULES.items():
        (tests / f"{module}.py").write_text(SOURCES[module])
        shutil.copytree(CORPUS / project / "cassettes" / module, tests / "cassettes" / module)


def main() -> int:
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory) / "suite"
        write(root)
        command = [sys.argv[1], "-m", "pytest", "-q", "-p", "no:randomly"]
        return subprocess.run(command, cwd=root, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
