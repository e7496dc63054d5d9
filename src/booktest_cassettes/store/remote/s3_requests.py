"""Many small objects: requests like one that the client made, signed anew, sent over its connections.

botocore spends about a millisecond of CPU on each request: endpoint rules, hooks, retries, the dates of an
answer, and a tenth of one on the date of each object in a listing. With many small objects that is nearly
all there is to a transfer. What an object's address and headers are does not change from one to the next, so
they are taken from a request that botocore has made; its signatures and its connections stay in use. Whatever
is no plain success goes to the client, which tries again, and says what is wrong.
"""

from __future__ import annotations

import base64
import re
import zlib
from datetime import datetime
from typing import Any

# What belongs to one request, is written anew by whoever signs it, or says how a body is wrapped.
_OWN = {
    *("authorization", "x-amz-date", "x-amz-content-sha256", "x-amz-security-token", "user-agent", "expect"),
    *("amz-sdk-invocation-id", "amz-sdk-request", "x-amz-checksum-mode", "x-amz-sdk-checksum-algorithm"),
    *("x-amz-trailer", "x-amz-decoded-content-length", "content-encoding", "content-length"),
    *("content-md5", "x-amz-checksum-crc32", "x-amz-checksum-crc64nvme", "transfer-encoding"),
}
# A blob's path, the last part of its address: the same there as in a key.
_PATH = re.compile(r"(?:staging/|tombstones/)?(?:env|func|http|httpx)/sha256/[0-9a-f]{2}/[0-9a-f]{64}")
_STRIKES = 8  # failures in a row after which the client is asked for everything


class Repeated:
    """One operation on objects, without the client's machinery once that has done it.

    Parameters
    ----------
    client:
        An aiobotocore client for S3. Where it has not what is needed, which is private to it, every
        operation goes through it.
    operation:
        ``GetObject`` or ``PutObject``.
    """

    def __init__(self, client: Any, operation: str) -> None:
        endpoint, signer = getattr(client, "_endpoint", None), getattr(client, "_request_signer", None)
        self._http: Any = getattr(endpoint, "http_session", None)
        self._credentials: Any = getattr(signer, "_credentials", None)
        self._region = client.meta.region_name
        self._latest: tuple[str, str, dict[str, str]] | None = None
        self._model: tuple[str, str, dict[str, str]] | None = None
        self._strikes = 0
        is_usual = client.meta.config.signature_version == "s3v4"
        if is_usual and self._http is not None and self._credentials is not None:
            client.meta.events.register(f"before-send.s3.{operation}", self._learn)

    async def send(self, path: str, body: bytes | None = None) -> bytes | None:
        """Do it for the object at a path below our prefix.

        Returns
        -------
        bytes or None
            The body of the answer; ``None`` when the client is to be asked.
        """
        if self._model is None or self._strikes >= _STRIKES or not _PATH.fullmatch(path):
            return None
        try:
            answer = await self._sent(path, body, *self._model)
        except Exception:  # noqa: BLE001 - the client tries again, and says what is wrong
            answer = None
        self._strikes = 0 if answer is not None else self._strikes + 1
        return answer

    def worked(self) -> None:
        """The client's latest request was a success: one to go by."""
        self._model = self._model or self._latest

    async def _sent(
        self, path: str, body: bytes | None, method: str, base: str, headers: dict[str, str]
    ) -> bytes | None:
        from botocore.auth import S3SigV4Auth
        from botocore.awsrequest import AWSRequest

        own = {} if body is None else {"x-amz-checksum-crc32": _crc32(body)}  # a locked bucket asks for one
        request = AWSRequest(method, base + path, headers={**headers, **own}, data=body)
        credentials = await self._credentials.get_frozen_credentials()
        S3SigV4Auth(credentials, "s3", self._region).add_auth(request)
        answer = await self._http.send(request.prepare())
        content: bytes = await answer.content
        return content if answer.status_code == 200 else None

    def _learn(self, request: Any, **_: Any) -> None:
        found = _PATH.search(request.url)
        if self._model is None and found and found.end() == len(request.url):
            headers = {name: _text(value) for name, value in request.headers.items()}
            kept = {name: value for name, value in headers.items() if name.lower() not in _OWN}
            self._latest = request.method, request.url[: found.start()], kept


def read_times_quickly(client: Any) -> None:
    """Have a client read the times of a listing in a twentieth of the time, which is most of a listing's."""
    factory = getattr(getattr(client, "_endpoint", None), "_response_parser_factory", None)
    if factory is not None:  # private, too
        factory.set_parser_defaults(timestamp_parser=_time)


def _time(value: Any) -> datetime:
    try:
        found = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        found = None
    if found is not None and found.tzinfo is not None:
        return found
    from botocore.utils import parse_timestamp  # whatever else S3 and what speaks like it may write

    other: datetime = parse_timestamp(value)
    return other


def _crc32(body: bytes) -> str:
    return base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode("ascii")


def _text(value: str | bytes) -> str:
    return value.decode("ascii") if isinstance(value, bytes) else value
