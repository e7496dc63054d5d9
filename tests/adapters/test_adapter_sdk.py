"""The OpenAI and Anthropic SDKs: whatever they show is replayed, and what they hide is refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import anthropic
import openai
import pytest
import trio
from lab import ID, Lab, described
from llm_server import VARYING, WORDS, LlmServer, running_llm

from booktest_cassettes import cassette
from booktest_cassettes.digest import Kind
from booktest_cassettes.errors import UnhandledRequest

# The SDKs leave generators to the collector when a stream ends early; trio says so, live too.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Async generator '(openai|anthropic|httpx2|httpcore2):ResourceWarning"
)
KEY = "sk-live-0123456789abcdefghij"
ASK = [{"role": "user", "content": "Wie geht's, 🦊?"}]
TOOL = {"type": "object", "properties": {"city": {"type": "string"}}}


@pytest.fixture
def server() -> Iterator[LlmServer]:
    with running_llm() as found:
        yield found


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDKs' own time between attempts."""
    for library in ("openai", "anthropic"):
        monkeypatch.setattr(f"{library}._base_client.INITIAL_RETRY_DELAY", 0.0)


# -- one script for sync and async ---------------------------------------------------------------------


async def got(value: Any) -> Any:
    """The value, or what it is awaited to."""
    return await value if hasattr(value, "__await__") else value


async def each(items: Any) -> AsyncIterator[Any]:
    if hasattr(items, "__aiter__"):
        async for item in items:
            yield item
    else:
        for item in items:
            yield item


@asynccontextmanager
async def opened(manager: Any) -> AsyncIterator[Any]:
    if hasattr(manager, "__aenter__"):
        async with manager as value:
            yield value
    else:
        with manager as value:
            yield value


def unawaited(main: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Run what never really waits."""
    try:
        main().send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("a sync client waited for a loop")


@dataclass(frozen=True)
class Sdk:
    """A client of one SDK, how it is run, and its calls in words that both have."""

    library: Any
    client: str
    run: Any

    @property
    def is_openai(self) -> bool:
        return self.library is openai

    @asynccontextmanager
    async def talking(self, base: str, **options: Any) -> AsyncIterator[Any]:
        base += "/v1" if self.is_openai else ""
        client = getattr(self.library, self.client)(api_key=KEY, base_url=base, **options)
        async with opened(client) as talk:
            yield talk

    def chat(self, talk: Any, how: str = "") -> Callable[..., Any]:
        """The call of a chat; ``how`` is an attribute of the resource to take it from."""
        resource = talk.chat.completions if self.is_openai else talk.messages
        create = (getattr(resource, how) if how else resource).create
        more = {} if self.is_openai else {"max_tokens": 64}
        return lambda **said: create(**{"model": "any", "messages": ASK, **more, **said})

    def scenario(self, script: Any, **options: Any) -> Callable[[str], Any]:
        """A script that gets an open client, as a scenario."""

        async def main(base: str) -> Any:
            async with self.talking(base, **options) as talk:
                return await script(talk)

        return lambda base: self.run(lambda: main(base))


SDKS = {
    f"{library.__name__}-{how}": Sdk(library, client, run)
    for library, names in ((openai, ("OpenAI", "AsyncOpenAI")), (anthropic, ("Anthropic", "AsyncAnthropic")))
    for how, client, run in (
        ("sync", names[0], unawaited),
        ("asyncio", names[1], lambda main: asyncio.run(main())),
        ("trio", names[1], trio.run),
    )
}
each_sdk = pytest.mark.parametrize("sdk", SDKS.values(), ids=SDKS.keys())
each_openai = pytest.mark.parametrize(
    "sdk", [sdk for sdk in SDKS.values() if sdk.is_openai], ids=[name for name in SDKS if "openai" in name]
)
each_claude = pytest.mark.parametrize(
    "sdk", [sdk for sdk in SDKS.values() if not sdk.is_openai], ids=[name for name in SDKS if "anth" in name]
)


# -- what they show --------------------------------------------------------------------------------------


def headers(found: Any) -> list[tuple[str, str]]:
    """All of them in order, without the values that no two answers share."""
    return [(name, "..." if name in VARYING else value) for name, value in found.multi_items()]


def shown(value: Any) -> dict[str, Any]:
    """A parsed object in full."""
    request_id = getattr(value, "_request_id", "none")
    data = value.model_dump(warnings=False)  # base64 where the type says floats
    return {"type": type(value).__name__, "data": data, "id": bool(request_id)}


def failed(error: Exception) -> dict[str, Any]:
    """All that an exception of an SDK tells; what httpx2 was raised from in its turn is not recorded."""
    response = getattr(error, "response", None)
    cause = None if type(error).__module__.startswith("httpx2") else error.__cause__
    return {
        **described(error),
        "status": getattr(error, "status_code", None),
        "has id": bool(getattr(error, "request_id", None)),
        "body": getattr(error, "body", None),
        "message": getattr(error, "message", None),
        "cause": cause and described(cause),
        "headers": response is not None and headers(response.headers),
        "text": response is not None and text_of(response),
    }


def text_of(response: Any) -> str:
    """An answer's text, or why there is none."""
    try:
        return str(response.text)
    except RuntimeError as error:
        return type(error).__name__


async def attempt(call: Callable[[], Any]) -> dict[str, Any]:
    """What a call raises, as it must."""
    try:
        value = await got(call())
    except Exception as error:
        return failed(error)
    raise AssertionError(f"nothing was raised, but {value!r} returned")


# -- answers ---------------------------------------------------------------------------------------------


@each_sdk
def test_an_answer_is_parsed_the_same(lab: Lab, sdk: Sdk) -> None:
    async def script(talk: Any) -> Any:
        plain = shown(await got(sdk.chat(talk)()))
        raw = await got(sdk.chat(talk, "with_raw_response")())
        seen = [plain, headers(raw.headers), raw.status_code, raw.retries_taken, raw.http_version]
        parsed = await got(raw.parse())
        return [*seen, shown(parsed), raw.elapsed.total_seconds() >= 0, str(raw.url), raw.method]

    seen = lab.conform(sdk.scenario(script))
    assert seen[2] == 200
    assert "".join(WORDS) in str(seen[0]["data"])


@each_sdk
def test_an_answer_is_streamed_as_it_came(lab: Lab, sdk: Sdk) -> None:
    async def script(talk: Any) -> Any:
        async with opened(sdk.chat(talk, "with_streaming_response")()) as response:
            seen = [response.status_code, headers(response.headers)]
            text = b"".join([part async for part in each(response.iter_bytes())])
        async with opened(sdk.chat(talk, "with_streaming_response")()) as response:
            parsed = shown(await got(response.parse()))
        async with opened(sdk.chat(talk, "with_streaming_response")()) as response:
            return [*seen, text, parsed, [line async for line in each(response.iter_lines())]]

    assert "🦊".encode() in lab.conform(sdk.scenario(script))[2]


@each_sdk
def test_events_arrive_one_by_one(lab: Lab, sdk: Sdk) -> None:
    async def script(talk: Any) -> Any:
        found = []
        async for event in each(await got(sdk.chat(talk)(stream=True))):
            found.append(shown(event))
            lab.server.gate.release()
        return found

    found = lab.conform(sdk.scenario(script))
    assert lab.server.stalls == 0, "an event reached the client only after the next one was sent"
    assert len(found) == (len(WORDS) + 1 if sdk.is_openai else len(WORDS) + 5)


@each_sdk
def test_a_stream_left_early_is_replayed_as_far_and_refused_beyond(lab: Lab, sdk: Sdk) -> None:
    def reading(limit: int) -> Callable[[str], Any]:
        async def script(talk: Any) -> Any:
            found = []
            async with opened(await got(sdk.chat(talk)(stream=True))) as stream:
                events = each(stream)
                async for event in events:
                    found.append(shown(event))
                    if len(found) == limit:
                        break
                    lab.server.gate.release()
                await events.aclose()
            return found

        return sdk.scenario(script)

    assert len(lab.conform(reading(3))) == 3
    counters = lab.counters
    with pytest.raises(UnhandledRequest, match="read further than it was"), cassette(ID):
        with suppress(Exception):
            reading(-1)(lab.server.base)
    assert lab.counters == counters


@each_claude
def test_the_message_stream_helper(lab: Lab, sdk: Sdk) -> None:
    async def script(talk: Any) -> Any:
        lab.server.open_gate()
        said = {"model": "any", "max_tokens": 64, "messages": ASK}
        async with opened(talk.messages.stream(**said)) as stream:
            texts = [text async for text in each(stream.text_stream)]
            return texts, shown(await got(stream.get_final_message()))

    texts, _ = lab.conform(sdk.scenario(script))
    assert "".join(texts) == "".join(WORDS)


@each_openai
def test_responses_embeddings_files_and_models(lab: Lab, sdk: Sdk) -> None:
    async def script(talk: Any) -> Any:
        lab.server.open_gate()
        seen = [shown(await got(talk.responses.create(model="any", input="hi", max_output_tokens=99)))]
        stream = await got(talk.responses.create(model="any", input="hi", stream=True))
        seen += [shown(event) async for event in each(stream)]
        for more in ({}, {"encoding_format": "float"}, {"encoding_format": "base64"}):
            seen.append(shown(await got(talk.embeddings.create(model="any", input="🦊", **more))))
        file = ("lines.jsonl", b'{"line": 1}\n{"line": 2}\n')
        seen.append(shown(await got(talk.files.create(file=file, purpose="batch"))))
        seen += [shown(model) async for model in each(talk.models.list())]
        return seen

    seen = lab.conform(sdk.scenario(script))
    assert [item["data"]["id"] for item in seen[-3:]] == ["one", "two", "three"]
    assert seen[-7]["data"]["data"][0]["embedding"] == [0.5, -1.25, 3.0]


@each_claude
def test_pages_and_token_counts(lab: Lab, sdk: Sdk) -> None:
    async def script(talk: Any) -> Any:
        counted = shown(await got(talk.messages.count_tokens(model="any", messages=ASK)))
        pages = talk.models.list(limit=1)
        return [counted, *[shown(model) async for model in each(pages)]]

    seen = lab.conform(sdk.scenario(script))
    assert [item["data"]["id"] for item in seen[1:]] == ["one", "two", "three"]
    assert seen[0]["data"]["input_tokens"] == 14


@each_openai
@pytest.mark.parametrize("stream", [False, True])
def test_log_probabilities_keep_their_tokens(lab: Lab, sdk: Sdk, stream: bool) -> None:
    async def script(talk: Any) -> Any:
        lab.server.open_gate()
        found = await got(sdk.chat(talk)(logprobs=True, max_completion_tokens=77, stream=stream))
        return [shown(event) async for event in each(found)] if stream else [shown(found)]

    seen = lab.conform(sdk.scenario(script))
    scored = [choice["logprobs"] for item in seen for choice in item["data"]["choices"]]
    assert [word["token"] for found in scored for word in found["content"]] == WORDS
    assert rb"max_completion_tokens\":77" in lab.blob(Kind.HTTPX)


# -- failures --------------------------------------------------------------------------------------------


@each_sdk
@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 529])
def test_an_error_tells_the_same(lab: Lab, sdk: Sdk, status: int) -> None:
    async def script(talk: Any) -> Any:
        return await attempt(lambda: sdk.chat(talk)(model=f"fail-{status}"))

    seen = lab.conform(sdk.scenario(script, max_retries=1))
    assert (seen["status"], seen["has id"]) == (status, True)
    assert "für dich" in str(seen["body"])


@each_sdk
@pytest.mark.parametrize("status", [429, 529])
def test_retries_are_counted_the_same(lab: Lab, sdk: Sdk, status: int) -> None:
    async def script(talk: Any) -> Any:
        raw = await got(sdk.chat(talk, "with_raw_response")(model=f"flaky-{status}"))
        return raw.retries_taken, shown(await got(raw.parse()))

    assert lab.conform(sdk.scenario(script))[0] == 2
    assert lab.server.retries == ["0", "1", "2"] * 3


@each_sdk
def test_a_timeout_is_the_same_exception(lab: Lab, sdk: Sdk) -> None:
    async def script(talk: Any) -> Any:
        return await attempt(lambda: sdk.chat(talk)(model="hang"))

    seen = lab.conform(sdk.scenario(script, timeout=0.2, max_retries=1))
    assert seen["type"].endswith(".APITimeoutError")


@each_sdk
@pytest.mark.parametrize("model", ["torn", "error-event"])
def test_a_stream_that_fails_fails_at_the_same_event(lab: Lab, sdk: Sdk, model: str) -> None:
    async def script(talk: Any) -> Any:
        found: list[Any] = []

        async def read() -> None:
            async for event in each(await got(sdk.chat(talk)(model=model, stream=True))):
                found.append(shown(event))
                lab.server.gate.release()

        return [await attempt(read), *found]

    assert len(lab.conform(sdk.scenario(script))) >= 2


# -- strictness, keys, and what varies ---------------------------------------------------------------------


@each_sdk
@pytest.mark.parametrize("stream", [False, True])
def test_another_prompt_fails_the_test_though_the_sdk_hides_it(lab: Lab, sdk: Sdk, stream: bool) -> None:
    async def script(talk: Any) -> Any:
        lab.server.open_gate()
        said = [{"role": "user", "content": "hello"}]
        found = await got(sdk.chat(talk)(messages=said, stream=stream))
        return [shown(event) async for event in each(found)] if stream else shown(found)

    async def other(talk: Any) -> Any:
        said = [{"role": "user", "content": "bye"}]
        return await attempt(lambda: sdk.chat(talk)(messages=said, stream=stream))

    lab.conform(sdk.scenario(script))
    counters = lab.counters
    seen = []
    with pytest.raises(UnhandledRequest, match="is not in its httpx") as caught, cassette(ID):
        seen.append(sdk.scenario(other)(lab.server.base))
    text = str(caught.value)
    assert "nearest recorded: POST" in text
    assert '"bye" now, "hello" recorded' in text
    assert f"next: booktest-cassettes run -S -- {ID}" in text
    assert lab.counters == counters
    # OpenAI's lets our exception through; Anthropic's retries whatever is raised, and wraps it.
    ours, wrapped = "booktest_cassettes.errors.UnhandledRequest", "anthropic.APIConnectionError"
    assert seen[0]["type"] == (ours if sdk.is_openai else wrapped)
    assert (seen[0]["cause"] or {"type": ours})["type"] == ours


@each_sdk
def test_keys_are_in_no_file_and_not_needed_for_replay(lab: Lab, sdk: Sdk) -> None:
    async def script(talk: Any) -> Any:
        return shown(await got(sdk.chat(talk)()))

    recorded = lab.conform(sdk.scenario(script))
    assert any(KEY in key for key in lab.server.keys)
    files = [path for path in lab.runner.root.rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if KEY.encode() in path.read_bytes()]

    async def main() -> Any:
        base = lab.server.base + ("/v1" if sdk.is_openai else "")
        async with opened(getattr(sdk.library, sdk.client)(api_key="dummy", base_url=base)) as talk:
            return await script(talk)

    with cassette(ID, unused="error"):
        assert sdk.run(main) == recorded


@each_sdk
def test_a_conversation_goes_on_with_the_ids_that_were_recorded(lab: Lab, sdk: Sdk) -> None:
    """Ids and times in bodies are content: they change the digest, and are replayed as they were.

    A signature is a secret by its name: the next request is redacted alike, and matches.
    """
    lab.server.varied = True

    async def script(talk: Any) -> Any:
        if sdk.is_openai:
            function = {"name": "weather", "parameters": TOOL}
            said = {"tools": [{"type": "function", "function": function}]}
            first = await got(sdk.chat(talk)(**said))
            asked = first.choices[0].message
            reply = [asked, {"role": "tool", "tool_call_id": asked.tool_calls[0].id, "content": "rain"}]
        else:
            said = {"tools": [{"name": "weather", "input_schema": TOOL}]}
            first = await got(sdk.chat(talk)(**said))
            result = {"type": "tool_result", "tool_use_id": first.content[-1].id, "content": "rain"}
            reply = [
                {"role": "assistant", "content": first.content},
                {"role": "user", "content": [result]},
            ]
        return [shown(first), shown(await got(sdk.chat(talk)(**said, messages=[*ASK, *reply])))]

    runs, digests = [], []
    for _ in range(2):
        lab.record()
        with cassette(ID):
            runs.append(sdk.scenario(script)(lab.server.base))
        digests.append(lab.digests())
    assert digests[0] != digests[1]
    lab.approve()
    counters = lab.counters
    with cassette(ID, unused="error"):
        replayed = sdk.scenario(script)(lab.server.base)
    assert repr(replayed) == repr(runs[1]).replace("EqQBsigned", "REDACTED")
    assert lab.counters == counters
