"""A server on loopback that speaks the formats of the OpenAI and Anthropic APIs.

Its headers differ on every answer, as real ones do; with ``varied`` its bodies do, too. What it does is
asked for by the model's name: ``fail-429``, ``flaky-503``, ``error-event``, ``torn``, ``hang``, or any other.
"""

from __future__ import annotations

import base64
import json
import socket
import struct
from contextlib import AbstractContextManager
from email.utils import formatdate
from itertools import count
from typing import Any
from uuid import uuid4

from loopback import Handler, Server, running_server

WORDS = ["Grüße ", "🦊", "", ' "quoted" ', "ende"]
USAGE = {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14}
CLAUDE_USAGE = {"input_tokens": 9, "output_tokens": 5}
LOGPROBS = {
    "content": [
        {
            "token": word,
            "logprob": -0.1,
            "bytes": list(word.encode()),
            "top_logprobs": [{"token": word + "?", "bytes": None, "logprob": -9999.0}],
        }
        for word in WORDS
    ]
}
STATUSES = {
    400: ("Bad Request", "invalid_request_error"),
    401: ("Unauthorized", "authentication_error"),
    404: ("Not Found", "not_found_error"),
    429: ("Too Many Requests", "rate_limit_error"),
    500: ("Internal Server Error", "api_error"),
    503: ("Service Unavailable", "api_error"),
    529: ("", "overloaded_error"),
}
#: Headers of ours whose value is another on every answer.
VARYING = (
    "date openai-processing-ms x-request-id request-id cf-ray x-envoy-upstream-service-time openai-project"
    " x-ratelimit-remaining-requests x-ratelimit-remaining-tokens x-ratelimit-remaining-project-tokens"
    " x-ratelimit-reset-requests x-ratelimit-reset-tokens x-ratelimit-reset-project-tokens"
    " anthropic-ratelimit-requests-remaining anthropic-ratelimit-requests-reset anthropic-organization-id"
    " anthropic-ratelimit-input-tokens-remaining anthropic-ratelimit-input-tokens-reset"
    " anthropic-priority-input-tokens-remaining anthropic-priority-input-tokens-reset"
    " anthropic-ratelimit-unified-5h-reset anthropic-ratelimit-unified-5h-utilization anthropic-workspace-id"
    " set-cookie"
).split()
_turns = count(1)


class LlmServer(Server):
    """Keeps the credentials and retry counts it was sent."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        super().__init__(host)
        self.RequestHandlerClass = LlmHandler
        self.varied = False
        self.keys: set[str] = set()
        self.retries: list[str] = []


class LlmHandler(Handler):
    server: LlmServer

    def at_v1(self) -> None:
        sent = self.headers
        self.server.keys |= {value for name in ("authorization", "x-api-key") if (value := sent.get(name))}
        self.server.retries.append(sent.get("x-stainless-retry-count") or "")
        self.turn = next(_turns)
        self.claude = "anthropic-version" in sent
        is_json = sent.get_content_type() == "application/json" and self.body
        self.asked = json.loads(self.body) if is_json else {}
        how, _, what = str(self.asked.get("model", self.rest.rpartition("/")[2])).partition("-")
        if how == "fail" or (how == "flaky" and self.server.number(self.path) < 2):
            self.fail(int(what))
        elif how == "hang":
            self.at_hang()
        else:
            answer = "speak_" + self.rest.replace("/", "_").partition("?")[0]
            getattr(self, answer, self.speak_unknown)()

    # -- saying things -----------------------------------------------------------------------------

    def varying(self) -> list[tuple[str, str]]:
        """Headers as they come: each time others."""
        turn = self.turn
        moment = f"2026-01-01T00:00:{turn % 60:02}Z"
        numbers = {name: str(turn) for name in VARYING}
        numbers |= {name: str(uuid4()) for name in VARYING if name.endswith("-id")}
        numbers |= {name: moment for name in VARYING if name.endswith("-reset")}
        return [
            *numbers.items(),
            ("date", formatdate(turn * 86_400, usegmt=True)),
            (
                "set-cookie",
                f"__cf_bm={uuid4().hex}; path=/; expires={formatdate(2**32, usegmt=True)}; HttpOnly",
            ),
            ("x-ratelimit-limit-requests", "10000"),
            ("openai-version", "2020-10-01"),
        ]

    def speak(self, data: Any, *headers: tuple[str, str], status: str = "200 OK") -> None:
        body = json.dumps(data, ensure_ascii=False).encode()
        self.answer(body, *self.varying(), *headers, status=status, kind="application/json")

    def speak_unknown(self) -> None:
        self.fail(404)

    def name(self, prefix: str) -> str:
        """An id as the APIs give it."""
        return f"{prefix}_{uuid4().hex if self.server.varied else '0123456789abcdef'}"

    @property
    def now(self) -> int:
        return 1_700_000_000 + (self.turn if self.server.varied else 0)

    def fail(self, status: int) -> None:
        reason, kind = STATUSES[status]
        error: dict[str, Any] = {"type": kind, "message": f"no: {kind} für dich", "code": kind}
        if self.claude:
            error = {"type": "error", "error": {"type": kind, "message": error["message"]}}
        else:
            error = {"error": error}
        # Milliseconds come first for both SDKs; 0 seconds would make them wait for their own time.
        waits = [("retry-after-ms", "1"), ("retry-after", "0")] if status != 400 else []
        self.speak(error, *waits, status=f"{status} {reason}")

    def stream(self, events: list[tuple[str, Any]]) -> None:
        """Events, each in two chunks that part inside of a character where there is one to part."""
        headers = [*self.varying(), ("Transfer-Encoding", "chunked")]
        self.answer(b"", *headers, length=False, kind="text/event-stream; charset=utf-8")
        torn = self.asked["model"] == "torn"
        for number, (name, data) in enumerate(events):
            if torn and number == 3:
                self.reset()
                return
            text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
            frame = (f"event: {name}\n" if name else "").encode() + f"data: {text}\n\n".encode()
            at = frame.find("🦊".encode()) + 2 if "🦊".encode() in frame else len(frame) // 2
            self.chunks(frame[:at], frame[at:])
            if name not in ("ping", "error") and data != "[DONE]" and "error" not in data:
                self.pass_gate()
        self.raw(b"0\r\n\r\n")

    def reset(self) -> None:
        """Tear the connection off."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    # -- OpenAI ------------------------------------------------------------------------------------

    def speak_chat_completions(self) -> None:
        head = {"id": self.name("chatcmpl"), "created": self.now, "model": self.asked["model"]}
        head["system_fingerprint"] = self.name("fp")
        if self.asked.get("stream"):
            self.stream(self.chat_events({**head, "object": "chat.completion.chunk"}))
            return
        message: dict[str, Any] = {"role": "assistant", "content": "".join(WORDS), "refusal": None}
        reason = "stop"
        if self.asked.get("tools") and self.asked["messages"][-1]["role"] != "tool":
            call = {"name": "weather", "arguments": '{"city": "Köln", "max_tokens": 3}'}
            calls = [{"id": self.name("call"), "type": "function", "function": call}]
            message, reason = {"role": "assistant", "content": None, "tool_calls": calls}, "tool_calls"
        choice = {"index": 0, "message": message, "finish_reason": reason}
        choice["logprobs"] = LOGPROBS if self.asked.get("logprobs") else None
        self.speak({**head, "object": "chat.completion", "choices": [choice], "usage": USAGE})

    def chat_events(self, head: dict[str, Any]) -> list[tuple[str, Any]]:
        events: list[tuple[str, Any]] = []
        for word, logprob in zip(WORDS, LOGPROBS["content"], strict=True):
            choice = {"index": 0, "delta": {"content": word}, "finish_reason": None}
            if self.asked.get("logprobs"):
                choice["logprobs"] = {"content": [logprob]}
            events.append(("", {**head, "choices": [choice]}))
        if self.asked["model"] == "error-event":
            return [*events[:2], ("", {"error": {"message": "out of words", "code": "server_error"}})]
        events.append(("", {**head, "choices": [], "usage": USAGE}))
        return [*events, ("", "[DONE]")]

    def speak_responses(self) -> None:
        part = {"type": "output_text", "text": "".join(WORDS), "annotations": [], "logprobs": []}
        message = {"id": self.name("msg"), "type": "message", "status": "completed", "role": "assistant"}
        data = {
            "id": self.name("resp"), "object": "response", "created_at": self.now, "status": "completed",
            "model": self.asked["model"], "output": [{**message, "content": [part]}], "tools": [],
            "tool_choice": "auto", "parallel_tool_calls": True, "error": None, "instructions": None,
            "previous_response_id": self.asked.get("previous_response_id"),
        }  # fmt: skip
        if not self.asked.get("stream"):
            self.speak(data)
            return
        place = {"item_id": message["id"], "output_index": 0, "content_index": 0}
        logprobs = [{"token": "🦊", "logprob": -0.5, "top_logprobs": [{"token": "x", "logprob": -1}]}]
        events: list[dict[str, Any]] = [
            {"type": "response.created", "response": {**data, "status": "in_progress", "output": []}},
            *(
                {"type": "response.output_text.delta", **place, "delta": word, "logprobs": logprobs}
                for word in WORDS
            ),
            {"type": "response.completed", "response": data},
        ]
        self.stream([(event["type"], {**event, "sequence_number": n}) for n, event in enumerate(events)])

    def speak_embeddings(self) -> None:
        numbers = [0.5, -1.25, 3.0]
        packed = base64.b64encode(struct.pack("<3f", *numbers)).decode()
        vector = packed if self.asked.get("encoding_format") == "base64" else numbers
        item = {"object": "embedding", "index": 0, "embedding": vector}
        usage = {"prompt_tokens": 1, "total_tokens": 1}
        self.speak({"object": "list", "data": [item], "model": self.asked["model"], "usage": usage})

    def speak_files(self) -> None:
        self.speak(
            {
                "id": self.name("file"), "object": "file", "bytes": self.body.count(b"line"),
                "created_at": self.now, "filename": "lines.jsonl", "purpose": "batch", "status": "processed",
            }
        )  # fmt: skip

    def speak_models(self) -> None:
        """Anthropic's list comes in pages, OpenAI's at once."""
        names = ["one", "two", "three"]
        if not self.claude:
            models = [{"id": name, "object": "model", "created": 1, "owned_by": "me"} for name in names]
            self.speak({"object": "list", "data": models})
            return
        at = names.index(self.query["after_id"]) + 1 if "after_id" in self.query else 0
        when = {"created_at": "2026-01-01T00:00:00Z"}
        page = [{"type": "model", "id": name, "display_name": name, **when} for name in names[at : at + 1]]
        ends = {"first_id": names[at], "last_id": names[at], "has_more": at < 2}
        self.speak({"data": page, **ends})

    # -- Anthropic ---------------------------------------------------------------------------------

    def speak_messages(self) -> None:
        message = {
            "id": self.name("msg"), "type": "message", "role": "assistant", "model": self.asked["model"],
            "content": [{"type": "text", "text": "".join(WORDS)}], "stop_reason": "end_turn",
            "stop_sequence": None, "usage": CLAUDE_USAGE,
        }  # fmt: skip
        if self.asked.get("stream"):
            events = self.message_events(message)
            self.stream([(event["type"], event) for event in events])
            return
        if self.asked.get("tools") and "tool_result" not in str(self.asked["messages"]):
            use = {"type": "tool_use", "id": self.name("toolu"), "name": "weather", "input": {"city": "Köln"}}
            thought = {"type": "thinking", "thinking": "hmm", "signature": "EqQBsigned"}
            message |= {"content": [thought, use], "stop_reason": "tool_use"}
        self.speak(message)

    def message_events(self, message: dict[str, Any]) -> list[dict[str, Any]]:
        deltas = [
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}}
            for word in WORDS
        ]
        begin = {**message, "content": [], "stop_reason": None}
        if self.asked["model"] == "error-event":
            error = {"type": "overloaded_error", "message": "Overloaded"}
            return [{"type": "message_start", "message": begin}, {"type": "error", "error": error}]
        return [
            {"type": "message_start", "message": begin},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
            {"type": "ping"},
            *deltas,
            {"type": "content_block_stop", "index": 0},
            {
                "type": "message_delta",
                "delta": {"stop_reason": "end_turn", "stop_sequence": None},
                "usage": {"output_tokens": 5},
            },
            {"type": "message_stop"},
        ]

    def speak_messages_count_tokens(self) -> None:
        self.speak({"input_tokens": 14})


def running_llm() -> AbstractContextManager[LlmServer]:
    """The server on a free port, stopped and closed at the end."""
    return running_server(make=LlmServer)
