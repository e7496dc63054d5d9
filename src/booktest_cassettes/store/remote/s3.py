"""S3 and what speaks like it: one request per operation, through the client that DVC's s3fs opens.

s3fs gives the session: credentials, endpoint, region, encryption and ACL as DVC's configuration says
them. Its own file operations are passed by: it asks HEAD before each GET, remembers listings, retries
a closed port for nine seconds, and turns a missing bucket into a missing file.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from ...errors import RemoteError
from .medium import Entry, Trouble
from .s3_requests import Repeated, read_times_quickly
from .threads import in_thread

_R = TypeVar("_R")

_JOBS = 32
_TIMEOUTS = {"connect_timeout": 10, "read_timeout": 60}  # seconds
_ATTEMPTS = 3  # of botocore, within 3 seconds
_ROUNDS = 5  # of ours, where waiting helps
_WAIT = 1.0  # seconds before the second round, doubled for each further one
_PART = 32 << 20  # bytes; bigger objects are written in parts of that size
_DELETE_BATCH = 1000  # keys, S3's limit for one request

_USER = re.compile(r"(?<=://)[^/@]*@")
_BUSY = {"SlowDown", "ServiceUnavailable", "RequestLimitExceeded", "TooManyRequests", "429", "503"}
_BROKEN = {"IncompleteReadError", "ResponseStreamingError", "ClientPayloadError"}
_NO_OBJECT = {"NoSuchKey", "404"}
_UNTOLD = {"400", "403"}  # HEAD's answers have no body: wrong keys, a denial, an expired token look the same
_DENIED = {"AccessDenied", "403", "AllAccessDisabled", "Forbidden", "AccountProblem"}
_PERMISSIONS = {
    "GetObject": "s3:GetObject",
    "HeadObject": "s3:GetObject",
    "HeadBucket": "s3:ListBucket",
    "ListObjectsV2": "s3:ListBucket",
    "DeleteObjects": "s3:DeleteObject",
}  # all others write

_SIGN_IN = (
    "dvc remote modify --local NAME access_key_id KEY, the same with secret_access_key, or set AWS_PROFILE"
)
_CLOSED = Trouble("it closed the connection", "check the network and any proxy, then run the command again")
_ANSWERS = {
    frozenset({"NoSuchBucket"}): Trouble(
        "there is no bucket {bucket}", "make it, or correct the remote's url in .dvc/config"
    ),
    frozenset({"InvalidAccessKeyId", "InvalidClientTokenId", "InvalidSecurity"}): Trouble(
        "it does not know the access key", _SIGN_IN
    ),
    frozenset({"SignatureDoesNotMatch"}): Trouble(
        "the secret key does not belong to the access key", _SIGN_IN
    ),
    frozenset({"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired"}): Trouble(
        "the credentials have expired", "sign in again (aws sso login), or get new ones"
    ),
    frozenset({"InvalidToken"}): Trouble(
        "the session token is not valid", "sign in again (aws sso login), or get new ones"
    ),
    frozenset({"RequestTimeTooSkewed"}): Trouble(
        "its clock and this machine's differ too much", "set this machine's clock, then run the command again"
    ),
    frozenset(_BUSY): Trouble(
        "it asks to slow down, again and again", "run the command later, or with fewer --jobs"
    ),
    frozenset({"InsufficientStorage", "XMinioStorageFull", "QuotaExceeded", "507"}): Trouble(
        "no space is left on it", "make space, then run the command again"
    ),
    frozenset(
        {"PermanentRedirect", "Redirect", "TemporaryRedirect", "AuthorizationHeaderMalformed", "301", "307"}
    ): Trouble("bucket {bucket} is in another region", "dvc remote modify NAME region REGION"),
    frozenset({"InvalidObjectState"}): Trouble(
        "the object is in cold storage", "restore it, and keep the prefix out of archive rules"
    ),
}
# By the names of botocore's classes and their bases, so that this room loads without it.
_CLIENT_TROUBLES = {
    "NoCredentialsError": Trouble("there are no credentials for it", _SIGN_IN),
    "PartialCredentialsError": Trouble("half of the credentials is missing", _SIGN_IN),
    "ProfileNotFound": Trouble(
        "the profile that it is to use is not in the AWS configuration",
        "aws configure list-profiles, then dvc remote modify NAME profile PROFILE (or AWS_PROFILE)",
    ),
    "ConfigParseError": Trouble("the AWS configuration file cannot be read", "look at ~/.aws/config"),
    "CredentialRetrievalError": Trouble("the program that gives its credentials failed", _SIGN_IN),
    "SSOError": Trouble("the single sign-on session is over", "aws sso login"),
    "TokenRetrievalError": Trouble("the single sign-on session is over", "aws sso login"),
    "NoRegionError": Trouble("no region is set", "dvc remote modify NAME region REGION"),
    "InvalidRegionError": Trouble("its region is none", "dvc remote modify NAME region REGION"),
    "ParamValidationError": Trouble(
        "its bucket or path is not a possible one", "check its url in .dvc/config"
    ),
    "SSLError": Trouble(
        "its TLS certificate is not accepted",
        "dvc remote modify NAME ssl_verify PATH_OF_CA (or use_ssl false where it speaks plain HTTP)",
    ),
    "ProxyConnectionError": Trouble("the proxy does not answer", "check HTTPS_PROXY and NO_PROXY"),
    "InvalidProxiesConfigError": Trouble("the proxy settings are wrong", "check HTTPS_PROXY and NO_PROXY"),
    "EndpointConnectionError": Trouble(
        "nothing answers at {endpoint}", "check the network (VPN?) and its endpointurl in .dvc/config"
    ),
    "ConnectTimeoutError": Trouble(
        "{endpoint} does not answer in time", "check the network (VPN?) and its endpointurl in .dvc/config"
    ),
    "ReadTimeoutError": Trouble(
        "{endpoint} stopped answering", "check the network, then run the command again"
    ),
    "IncompleteReadError": _CLOSED,
    "ClientPayloadError": _CLOSED,
    "HTTPClientError": Trouble(
        "no request gets through to {endpoint} ({inner})", "check the network, proxies and its endpointurl"
    ),
    "RecursionError": Trouble(
        "it redirects every request", "check its endpointurl in .dvc/config (https instead of http?)"
    ),
    "ResponseParserError": Trouble(
        "what answers at {endpoint} is no S3 server", "check its endpointurl in .dvc/config"
    ),
    "ClientError": Trouble("it refused the request", "dvc status -c shows whether DVC itself can use it"),
    "BotoCoreError": Trouble(
        "the S3 client failed: {name}", "dvc status -c shows whether DVC itself can use it"
    ),
}


class S3Medium:
    """A Medium over a bucket.

    Parameters
    ----------
    filesystem:
        DVC's wrapper, configured and not opened: opened by the first operation.
    base:
        Our directory, as ``bucket/path``.
    jobs:
        Connections; ``None`` for what suits most.
    loop:
        That the methods run on.
    """

    def __init__(self, filesystem: Any, base: str, jobs: int | None, loop: asyncio.AbstractEventLoop) -> None:
        self.jobs = jobs or _JOBS
        self._base = base
        self._filesystem = filesystem
        self._opening = asyncio.Lock()
        self._open: _Bucket | None = None
        _settle(filesystem.fs_args, self.jobs, loop)

    async def read(self, path: str) -> bytes | None:
        """See Medium."""
        bucket = self._open or await self._opened()
        return await _patiently(bucket.get, path)

    async def write(self, path: str, data: bytes) -> None:
        """See Medium."""
        bucket = self._open or await self._opened()
        await _patiently(bucket.put, path, data)

    async def exists(self, path: str) -> bool:
        """See Medium."""
        bucket = self._open or await self._opened()
        return await _patiently(bucket.has, path)

    async def list(self, directory: str, *, unfinished: bool = False) -> AsyncIterator[Entry]:
        """See Medium. An object appears when its last byte is in."""
        del unfinished  # there are none
        bucket = self._open or await self._opened()
        token: str | None = ""
        while token is not None:
            entries, following = await _patiently(bucket.page, directory, token)
            for entry in entries:
                yield entry
            if following == token:
                raise RemoteError("its listing does not end", hint="check its endpointurl in .dvc/config")
            token = following

    async def delete(self, paths: Sequence[str]) -> None:
        """See Medium."""
        bucket = self._open or await self._opened()
        for start in range(0, len(paths), _DELETE_BATCH):
            await _patiently(bucket.drop, paths[start : start + _DELETE_BATCH])

    def explain(self, error: BaseException) -> Trouble | None:
        """See Medium."""
        if _response(error) is None and error.__cause__ is not None:  # s3fs wraps what botocore raises
            return self.explain(error.__cause__)
        code, bucket = _code(error), self._base.partition("/")[0]
        trouble = _answered(code, getattr(error, "operation_name", ""), bucket) if code else None
        return trouble or self._failed(error)

    def _failed(self, error: BaseException) -> Trouble | None:
        """What the client's own exceptions mean. Their texts are not used: they may hold an address."""
        facts = getattr(error, "kwargs", {})  # of botocore's exceptions
        endpoint = _host(facts.get("endpoint_url") or self._filesystem.config.get("endpointurl") or "AWS")
        if isinstance(error, ValueError) and "endpoint" in str(error):
            return Trouble("its endpointurl is not one", "check it in .dvc/config: http://HOST:PORT")
        for cls in type(error).__mro__:
            if trouble := _CLIENT_TROUBLES.get(cls.__name__):
                inner = type(facts.get("error")).__name__
                what = trouble.what.format(endpoint=endpoint, name=type(error).__name__, inner=inner)
                code = _code(error)
                return trouble._replace(what=f"{what} ({_plain(code)})" if code else what)
        return None

    async def _opened(self) -> _Bucket:
        """The session, made once; other operations wait for it."""
        async with self._opening:
            if self._open is None:
                # In a thread: s3fs connects by waiting for a coroutine that it puts on this loop.
                s3 = await in_thread(lambda: self._filesystem.fs)
                name, prefix, _ = s3.split_path(self._base)
                # Where no region is set this asks AWS for the bucket's own, once.
                self._open = _Bucket(s3, await s3.get_s3(name), name, prefix)
            return self._open


class _Bucket:
    """The requests. Errors are botocore's own."""

    def __init__(self, s3: Any, client: Any, name: str, prefix: str) -> None:
        def prepared(method: Any) -> Callable[..., Any]:
            settled = s3._get_s3_method_kwargs(method, {"Bucket": name})  # encryption, ACL, requester pays
            return lambda **parameters: method(**settled, **parameters)

        self._s3 = s3
        self._name = name
        self._prefix = prefix
        self._found = False  # the bucket
        self._get_again = Repeated(client, "GetObject")
        self._put_again = Repeated(client, "PutObject")
        read_times_quickly(client)
        self._get = prepared(client.get_object)
        self._put = prepared(client.put_object)
        self._head = prepared(client.head_object)
        self._head_bucket = prepared(client.head_bucket)
        self._list = prepared(client.list_objects_v2)
        self._delete = prepared(client.delete_objects)

    async def get(self, path: str) -> bytes | None:
        if (quickly := await self._get_again.send(path)) is not None:
            return quickly
        try:
            answer = await self._get(Key=f"{self._prefix}/{path}")
        except Exception as error:
            if not await self._is_absent(error):
                raise
            return None
        async with answer["Body"] as body:
            data: bytes = await body.read()
        self._found = True
        self._get_again.worked()
        return data

    async def put(self, path: str, data: bytes) -> None:
        key = f"{self._prefix}/{path}"
        if len(data) > 2 * _PART:
            await self._s3._pipe_file(f"{self._name}/{key}", data, chunksize=_PART)
        elif await self._put_again.send(path, data) is None:
            await self._put(Key=key, Body=data)
            self._put_again.worked()

    async def has(self, path: str) -> bool:
        try:
            answer = await self._head(Key=f"{self._prefix}/{path}")
        except Exception as error:
            if await self._is_absent(error):
                return False
            if _code(error) in _UNTOLD:
                await self.get(path)  # raises the same, with its reason
            raise
        self._found = True
        return bool(answer["ContentLength"] > 0)

    async def page(self, directory: str, token: str | None) -> tuple[list[Entry], str | None]:
        """Some entries, and where the next ones begin."""
        following = {"ContinuationToken": token} if token else {}
        answer = await self._list(Prefix=f"{self._prefix}/{directory}".rstrip("/") + "/", **following)
        skip = len(self._prefix) + 1
        entries = [
            Entry(found["Key"][skip:], found["Size"], _seconds(found["LastModified"]))
            for found in answer.get("Contents", ())
            if not found["Key"].endswith("/")  # a console's "folder"
        ]
        return entries, answer.get("NextContinuationToken")

    async def drop(self, paths: Sequence[str]) -> None:
        objects = [{"Key": f"{self._prefix}/{path}"} for path in paths]
        answer = await self._delete(Delete={"Objects": objects, "Quiet": True})
        errors = [error for error in answer.get("Errors", ()) if error.get("Code") not in _NO_OBJECT]
        if errors:
            code = str(errors[0].get("Code"))
            trouble = _answered(code, "DeleteObjects", self._name)
            what = trouble.what if trouble else _plain(code)
            raise RemoteError(
                f"{len(errors)} of {len(paths)} files were not deleted: {what}",
                hint=trouble.hint if trouble else "run the command again",
            )

    async def _is_absent(self, error: Exception) -> bool:
        """Whether it says that an object is absent; raises when it is the bucket that is."""
        code = _code(error)
        if code == "404" and not self._found:  # the answer to HEAD has no body that would say which
            try:
                await self._head_bucket()
            except Exception as other:
                if _code(other) not in _DENIED:  # who may not list it does not learn more
                    raise
        self._found = self._found or code in _NO_OBJECT
        return code in _NO_OBJECT


def _settle(arguments: dict[str, Any], jobs: int, loop: asyncio.AbstractEventLoop) -> None:
    """s3fs's arguments: DVC's own stay, ours fill the gaps."""
    arguments.update(loop=loop, use_listings_cache=False)
    config = arguments.setdefault("config_kwargs", {})
    for name, seconds in _TIMEOUTS.items():
        config.setdefault(name, seconds)
    config["max_pool_connections"] = jobs
    config["retries"] = {"mode": "standard", "total_max_attempts": _ATTEMPTS}
    config.setdefault(
        "user_agent", "booktest-cassettes"
    )  # botocore's own costs a tenth of a request to spell
    config["response_checksum_validation"] = "when_required"  # our digest says more, and is checked anyway


async def _patiently(ask: Callable[..., Awaitable[_R]], *arguments: Any) -> _R:
    """An operation, again after a while where the remote is busy or an answer broke off.

    botocore tries again for a second or two, and never for a body that breaks off.
    """
    for number in range(_ROUNDS - 1):
        try:
            return await ask(*arguments)
        except Exception as error:
            if not _passes(error):
                raise
        await asyncio.sleep(_WAIT * 2**number * random.uniform(0.5, 1))  # noqa: S311 - so that not all come at once
    return await ask(*arguments)


def _passes(error: BaseException) -> bool:
    if error.__cause__ is not None and _passes(error.__cause__):
        return True
    if code := _code(error):
        return code in _BUSY
    return type(error).__name__ in _BROKEN


def _answered(code: str, operation: str, bucket: str) -> Trouble | None:
    """What an error code of S3 means."""
    if code in _DENIED:
        return _denied(operation, bucket)
    if operation == "HeadBucket" and code == "404":
        code = "NoSuchBucket"
    for codes, trouble in _ANSWERS.items():
        if code in codes:
            return trouble._replace(what=trouble.what.format(bucket=repr(bucket)))
    return None


def _denied(operation: str, bucket: str) -> Trouble:
    permission = _PERMISSIONS.get(operation, "s3:PutObject")
    hint = f"allow {permission} on bucket {bucket!r}, or use other credentials"
    if permission == "s3:GetObject":
        why = "without s3:ListBucket, an object that is not there looks the same"
        return Trouble(
            f"it refuses to read ({operation}: access denied); {why}", f"{hint}; allow s3:ListBucket too"
        )
    deed = {"s3:ListBucket": "list", "s3:DeleteObject": "delete"}.get(permission, "write")
    return Trouble(f"it refuses to {deed} ({operation}: access denied)", hint)


def _response(error: BaseException) -> Any:
    return getattr(error, "response", None)


def _code(error: BaseException) -> str:
    """The error code of S3's answer, ``""`` when it did not answer."""
    answer = _response(error)
    return str(answer.get("Error", {}).get("Code", "")) if isinstance(answer, dict) else ""


def _plain(code: str) -> str:
    """A code that is fit to be shown."""
    return code if re.fullmatch(r"\w{1,60}", code) else "an unknown error"


def _host(url: str) -> str:
    """An address without its user information and path."""
    return "/".join(_USER.sub("", url).split("/")[:3])


def _seconds(modified: datetime) -> float:
    return modified.timestamp()
