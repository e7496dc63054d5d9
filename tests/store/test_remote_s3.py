import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiobotocore.client import AioBaseClient
from s3_server import S3, Keys, add_remote, dvc_project, running_s3
from s3_stub import BUCKET, Refusal, Stub, running_stub

from booktest_cassettes.digest import BlobKey, Digest, Kind
from booktest_cassettes.errors import RemoteError
from booktest_cassettes.store.remote import s3 as room
from booktest_cassettes.store.remote.place import find_place
from booktest_cassettes.store.remote.remote import Remote
from booktest_cassettes.store.remote.store import RemoteStore

PREFIX = "booktest/blobs"
STUB_KEYS = Keys("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")


def blob(text: str) -> tuple[BlobKey, bytes]:
    data = (f'{{"version": 1, "text": "{text}"}}\n').encode()
    return BlobKey(Kind.HTTP, Digest.of(data)), data


def blobs(count: int) -> dict[BlobKey, bytes]:
    return dict(blob(f"number {number}") for number in range(count))


def deliver(store: RemoteStore, wanted: dict[BlobKey, bytes]) -> set[BlobKey]:
    delivered = store.deliver((key, lambda data=data: data) for key, data in wanted.items())
    return {found.key for found in delivered}


def fetch(store: RemoteStore, keys: dict[BlobKey, bytes]) -> dict[BlobKey, bytes | None]:
    return {found.key: found.data for found in store.fetch(keys)}


def store_of(root: Path, name: str | None = None, prefix: str = PREFIX) -> RemoteStore:
    return RemoteStore(Remote(find_place(root, name), prefix))


def refused(store: RemoteStore, number: int = 1) -> RemoteError:
    with pytest.raises(RemoteError) as caught:
        deliver(store, blobs(number))
    return checked(caught.value)


def unread(store: RemoteStore) -> RemoteError:
    with pytest.raises(RemoteError) as caught:
        fetch(store, blobs(1))
    return checked(caught.value)


def checked(error: RemoteError) -> RemoteError:
    """Every error names its remote and a way out, and no secret."""
    assert error.exit_code == 5
    assert error.message.startswith("remote 'storage' (s3://")
    assert error.hint
    for secret in (STUB_KEYS.access, STUB_KEYS.secret, "opensesame"):
        assert secret not in str(error)
    return error


@pytest.fixture(autouse=True)
def nothing_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No credentials, profiles or DVC settings of whoever runs the tests."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in (
        "AWS_CONFIG_FILE",
        "AWS_SHARED_CREDENTIALS_FILE",
        "DVC_GLOBAL_CONFIG_DIR",
        "DVC_SYSTEM_CONFIG_DIR",
    ):
        monkeypatch.setenv(name, str(tmp_path / "nobody" / name))


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    with running_s3() as server:
        server.enforce_iam()
        yield server


@pytest.fixture
def stub() -> Iterator[Stub]:
    with running_stub() as running:
        yield running


@pytest.fixture
def store(stub: Stub, tmp_path: Path) -> RemoteStore:
    return store_of(project(stub, tmp_path))


def project(stub: Stub, path: Path, url: str = f"s3://{BUCKET}/some/place", **settings: object) -> Path:
    return dvc_project(path, url, {"endpointurl": stub.endpoint, **STUB_KEYS.settings, **settings})


# What it carries


def test_hundreds_of_blobs_go_there_and_come_back(store: RemoteStore) -> None:
    wanted = blobs(300)
    assert deliver(store, wanted) == set(wanted)
    assert fetch(store, wanted) == wanted
    assert set(store.keys()) == set(wanted)


def test_a_read_is_one_request_and_a_write_with_its_check_is_two(stub: Stub, store: RemoteStore) -> None:
    wanted = blobs(20)
    deliver(store, wanted)
    assert stub.asked == {"PutObject": 20, "GetObject": 20}
    stub.asked.clear()
    fetch(store, wanted)
    assert stub.asked == {"GetObject": 20}


def asked_of_the_client(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The operations that go through aiobotocore's own machinery from now on."""
    seen: list[str] = []
    whole = AioBaseClient._make_api_call

    async def noting(self: AioBaseClient, operation: str, parameters: dict[str, object]) -> object:
        seen.append(operation)
        return await whole(self, operation, parameters)

    monkeypatch.setattr(AioBaseClient, "_make_api_call", noting)
    return seen


def test_after_the_first_request_a_server_that_checks_signatures_takes_ours(
    s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = s3.bucket()
    store = store_of(dvc_project(tmp_path, f"s3://{bucket}/a b", s3.settings(s3.bucket_user(bucket, "s3:*"))))
    deliver(store, blobs(1))
    seen = asked_of_the_client(monkeypatch)
    assert deliver(store, blobs(30)) == set(blobs(30))
    assert fetch(store, blobs(30)) == blobs(30)
    assert seen == []


def test_what_is_no_success_without_the_client_is_asked_of_it(
    stub: Stub, store: RemoteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(store, blobs(2))
    seen = asked_of_the_client(monkeypatch)
    stub.slow_down = 1
    assert fetch(store, blobs(1)) == blobs(1)
    assert seen == ["GetObject"]
    key, _ = blob("absent")
    assert fetch(store, {key: b""}) == {key: None}


def test_to_look_for_a_blob_is_one_request(stub: Stub, store: RemoteStore) -> None:
    deliver(store, blobs(2))
    stub.asked.clear()
    assert store.present(blobs(2)) == set(blobs(2))
    assert stub.asked == {"HeadObject": 2}


def test_an_empty_object_does_not_count_as_a_blob_that_is_there(stub: Stub, store: RemoteStore) -> None:
    key, _ = blob("x")
    stub.put(f"{BUCKET}/some/place/{PREFIX}/{key.path}", b"")
    assert not store.has(key)


def test_what_is_absent_is_none_of_an_error(store: RemoteStore) -> None:
    assert fetch(store, blobs(2)) == dict.fromkeys(blobs(2))
    assert store.present(blobs(2)) == set()
    assert list(store.keys()) == []
    store.delete(blob("number 0")[0])


def test_a_big_blob_goes_in_parts(stub: Stub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_PART", 60_000)
    store = RemoteStore(Remote(find_place(project(stub, tmp_path), None), PREFIX), compress=False)
    key, data = blob("x" * 250_000)
    deliver(store, {key: data})
    assert (stub.asked["UploadPart"], stub.asked["PutObject"]) == (5, 0)
    assert fetch(store, {key: data}) == {key: data}


def test_an_answer_that_breaks_off_is_asked_for_again(
    stub: Stub, store: RemoteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "_WAIT", 0)
    deliver(store, blobs(1))
    stub.asked.clear()
    stub.break_reads = 2
    assert fetch(store, blobs(1)) == blobs(1)
    assert stub.asked["GetObject"] == 3


def test_encryption_that_the_remote_asks_for_is_used(s3: S3, tmp_path: Path) -> None:
    bucket = s3.bucket()
    root = dvc_project(
        tmp_path, f"s3://{bucket}", {**s3.settings(), "sse": "aws:kms", "sse_kms_key_id": "our-key"}
    )
    deliver(store_of(root), blobs(1))
    [key] = s3.keys(bucket)
    head = s3.client.head_object(Bucket=bucket, Key=key)
    assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", "our-key")


# Where it is


@pytest.mark.parametrize(
    ("url", "directory"),
    [
        (f"s3://{BUCKET}", ""),
        (f"s3://{BUCKET}/", ""),
        (f"s3://{BUCKET}/team", "team/"),
        (f"s3://{BUCKET}/team/a/", "team/a/"),
        (f"s3://{BUCKET}/our team/über", "our team/über/"),
    ],
)
def test_the_urls_path_comes_before_our_prefix_with_or_without_a_slash(
    stub: Stub, tmp_path: Path, url: str, directory: str
) -> None:
    store = store_of(project(stub, tmp_path, url))
    key, data = blob("x")
    deliver(store, {key: data})
    assert stub.keys() == [f"{directory}{PREFIX}/{key.path}"]
    assert list(store.keys()) == [key]
    assert store.has(key)
    store.delete(key)
    assert stub.keys() == []


def test_our_prefix_may_hold_spaces_and_any_letter(stub: Stub, tmp_path: Path) -> None:
    store = store_of(project(stub, tmp_path), prefix="Aufnahmen & Blöbs +1/日本")
    deliver(store, blobs(3))
    assert fetch(store, blobs(3)) == blobs(3)
    assert set(store.keys()) == set(blobs(3))


def test_a_listing_goes_over_all_its_pages(tmp_path: Path) -> None:
    with running_stub(page_size=7) as stub:
        store = store_of(project(stub, tmp_path))
        deliver(store, blobs(50))
        assert set(store.keys()) == set(blobs(50))
        assert stub.asked["ListObjectsV2"] >= 50 / 7


def test_a_listing_says_when_and_how_big(store: RemoteStore) -> None:
    before = time.time()
    key, data = blob("x" * 5000)
    [delivered] = store.deliver([(key, lambda: data)])
    [entry] = store.remote.list([f"{key.kind}/sha256"])
    assert (entry.path, entry.size) == (key.path, delivered.size)
    assert before - 1 <= entry.modified <= time.time() + 1


def test_objects_of_others_are_neither_seen_nor_touched(stub: Stub, store: RemoteStore) -> None:
    ours = f"some/place/{PREFIX}"
    key, _ = blob("x")
    foreign = [
        f"other/{key.path}",
        f"some/place/files/md5/ab/{'c' * 30}",
        f"some/place/{PREFIX}-too/{key.path}",
        f"{ours}/http/sha256-of-something/else",
        f"{ours}/http/sha256/README",
        f"{ours}/http/sha256/",
        f"{ours}/notes",
    ]
    for path in foreign:
        stub.put(f"{BUCKET}/{path}", b"theirs")
    deliver(store, blobs(3))
    assert set(store.keys()) == set(blobs(3))
    seen = {entry.path for entry in store.remote.list(["http/sha256"])}
    assert seen == {key.path for key in blobs(3)} | {"http/sha256/README"}
    for mine in blobs(3):
        store.delete(mine)
    assert stub.keys() == sorted(foreign)


def test_thousands_are_deleted_in_batches_of_a_thousand(stub: Stub, store: RemoteStore) -> None:
    paths = [f"http/sha256/ab/{number}" for number in range(2100)]
    for path in paths:
        stub.put(f"{BUCKET}/some/place/{PREFIX}/{path}", b"x")
    stub.put(f"{BUCKET}/other", b"x")
    store.remote.delete(paths)
    assert stub.keys() == ["other"]
    assert stub.asked == {"DeleteObjects": 3}


def test_an_object_that_the_answer_to_a_deletion_names_as_kept_is_an_error(
    stub: Stub, store: RemoteStore
) -> None:
    stub.keep.add(f"some/place/{PREFIX}/http/sha256/ab/1")
    with pytest.raises(RemoteError, match="1 of 2 files were not deleted: it refuses to delete") as caught:
        store.remote.delete(["http/sha256/ab/1", "http/sha256/ab/2"])
    assert "s3:DeleteObject" in checked(caught.value).hint


# Whose credentials


def test_a_project_written_by_hand_is_the_one_that_dvcs_commands_write(tmp_path: Path) -> None:
    settings, url = {"secret_access_key": "a b#c%'", "jobs": 4}, "s3://bucket/a b"
    by_hand = dvc_project(tmp_path / "hand", url, settings, name="my remote")
    by_dvc = dvc_project(tmp_path / "dvc", url, settings, name="my remote", cli=True)
    for file in (".dvc/config", ".dvc/config.local", ".dvc/.gitignore", ".dvcignore"):
        assert (by_hand / file).read_text() == (by_dvc / file).read_text(), file
    assert find_place(by_dvc, None).name == "my remote"


def without_keys(s3: S3, bucket: str, path: Path, **settings: object) -> Path:
    options = {name: value for name, value in s3.settings().items() if "key" not in name}
    return dvc_project(path, f"s3://{bucket}", {**options, **settings})


def test_credentials_of_config_local_are_used(s3: S3, tmp_path: Path) -> None:
    bucket = s3.bucket()
    root = dvc_project(tmp_path, f"s3://{bucket}", s3.settings(s3.bucket_user(bucket, "s3:*")))
    assert "secret" in (root / ".dvc/config.local").read_text()
    assert "secret" not in (root / ".dvc/config").read_text()
    deliver(store_of(root), blobs(2))
    assert len(s3.keys(bucket)) == 2


def test_credentials_of_the_environment_are_used(
    s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = s3.bucket()
    keys = s3.bucket_user(bucket, "s3:*")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", keys.access)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", keys.secret)
    deliver(store_of(without_keys(s3, bucket, tmp_path)), blobs(2))
    assert len(s3.keys(bucket)) == 2


def test_the_profile_that_the_remote_names_is_used(
    s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = s3.bucket()
    keys = s3.bucket_user(bucket, "s3:*")
    file = tmp_path / "credentials"
    file.write_text(
        "[default]\naws_access_key_id = no\naws_secret_access_key = no\n"
        f"[ci user]\naws_access_key_id = {keys.access}\naws_secret_access_key = {keys.secret}\n"
    )
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    deliver(store_of(without_keys(s3, bucket, tmp_path, profile="ci user")), blobs(2))
    assert len(s3.keys(bucket)) == 2


def test_of_two_remotes_the_one_that_is_named_is_used(s3: S3, tmp_path: Path) -> None:
    here, there = s3.bucket(), s3.bucket()
    root = dvc_project(tmp_path, f"s3://{here}", s3.settings(s3.bucket_user(here, "s3:*")))
    add_remote(root, "my other", f"s3://{there}/deep", s3.settings(s3.bucket_user(there, "s3:*")))
    deliver(store_of(root), blobs(1))
    deliver(store_of(root, "my other"), blobs(2))
    assert (len(s3.keys(here)), len(s3.keys(there))) == (1, 2)


def test_who_may_only_read_reads_and_is_told_which_permission_writing_needs(s3: S3, tmp_path: Path) -> None:
    bucket = s3.bucket()
    deliver(store_of(dvc_project(tmp_path / "a", f"s3://{bucket}/x", s3.settings())), blobs(3))
    reader = store_of(dvc_project(tmp_path / "b", f"s3://{bucket}/x", s3.settings(s3.read_only_user(bucket))))
    assert fetch(reader, blobs(4)) == {**blobs(3), blob("number 3")[0]: None}
    assert reader.present(blobs(4)) == set(blobs(3))
    assert set(reader.keys()) == set(blobs(3))
    error = refused(reader, 4)
    assert "refuses to write (PutObject: access denied)" in error.message
    assert "s3:PutObject" in error.hint
    with pytest.raises(RemoteError, match="refuses to delete") as caught:
        reader.delete(blob("number 0")[0])
    assert "s3:DeleteObject" in checked(caught.value).hint
    assert len(s3.keys(bucket)) == 3


def test_an_unknown_access_key_and_a_wrong_secret_are_told_apart(s3: S3, tmp_path: Path) -> None:
    bucket = s3.bucket()
    known = s3.read_only_user(bucket)
    unknown = dvc_project(tmp_path / "a", f"s3://{bucket}", s3.settings(STUB_KEYS))
    wrong = dvc_project(tmp_path / "b", f"s3://{bucket}", s3.settings(Keys(known.access, STUB_KEYS.secret)))
    assert "does not know the access key" in unread(store_of(unknown)).message
    error = unread(store_of(wrong))
    assert "the secret key does not belong to the access key" in error.message
    assert known.access not in str(error)


def test_no_credentials_at_all_is_an_error(s3: S3, tmp_path: Path) -> None:
    error = unread(store_of(without_keys(s3, "any-bucket", tmp_path)))
    assert "there are no credentials" in error.message
    assert "access_key_id" in error.hint


def test_an_unknown_profile_is_an_error(s3: S3, tmp_path: Path) -> None:
    error = unread(store_of(without_keys(s3, "any-bucket", tmp_path, profile="nobody")))
    assert "the profile" in error.message
    assert "aws configure list-profiles" in error.hint


def test_where_no_region_is_set_the_bucket_is_asked_for_its_own_once(
    stub: Stub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", stub.endpoint)
    root = dvc_project(tmp_path, f"s3://{BUCKET}/x", STUB_KEYS.settings)
    deliver(store_of(root), blobs(50))
    assert stub.asked == {"HeadBucket": 1, "PutObject": 50, "GetObject": 50}
    stub.deny("HeadBucket")
    assert fetch(store_of(root), blobs(50)) == blobs(50)


# What goes wrong


@pytest.mark.parametrize("lie", ["drop_writes", "truncate_writes", "flip_writes"])
def test_a_remote_that_lies_about_a_write_is_found_out(stub: Stub, store: RemoteStore, lie: str) -> None:
    setattr(stub, lie, True)
    assert "it took http snapshot" in refused(store).message
    setattr(stub, lie, False)
    assert deliver(store, blobs(1)) == set(blobs(1))


def test_a_full_remote_is_told_and_the_next_run_completes_the_rest(stub: Stub, store: RemoteStore) -> None:
    stub.full()
    assert "no space is left" in refused(store).message
    stub.refuse.clear()
    assert deliver(store, blobs(3)) == set(blobs(3))


def test_a_remote_that_is_busy_is_asked_again_after_a_while(
    stub: Stub, store: RemoteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "_WAIT", 0.01)
    monkeypatch.setattr(room, "_ATTEMPTS", 1)
    stub.slow_down = 4
    assert deliver(store, blobs(1)) == set(blobs(1))
    assert stub.asked == {"PutObject": 5, "GetObject": 1}


def test_a_remote_that_stays_busy_is_an_error(
    stub: Stub, store: RemoteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "_WAIT", 0.01)
    monkeypatch.setattr(room, "_ATTEMPTS", 1)
    stub.slow_down = 1000
    assert "asks to slow down" in unread(store).message
    assert stub.asked == {"GetObject": 5}


@pytest.mark.parametrize("act", ["fetch", "deliver", "present", "keys", "delete"])
def test_a_bucket_that_is_not_there_is_no_missing_blob(stub: Stub, tmp_path: Path, act: str) -> None:
    store = store_of(project(stub, tmp_path, "s3://typo/x"))
    key, data = blob("x")
    acts = {
        "fetch": lambda: list(store.fetch([key])),
        "deliver": lambda: deliver(store, {key: data}),
        "present": lambda: store.present([key]),
        "keys": lambda: list(store.keys()),
        "delete": lambda: store.delete(key),
    }
    with pytest.raises(RemoteError, match="there is no bucket 'typo'") as caught:
        acts[act]()
    checked(caught.value)


def test_who_may_not_list_the_bucket_finds_blobs_nevertheless(stub: Stub, store: RemoteStore) -> None:
    stub.deny("HeadBucket", "ListObjectsV2")
    deliver(store, blobs(1))
    assert store.present(blobs(2)) == set(blobs(1))
    with pytest.raises(RemoteError, match="refuses to list") as caught:
        list(store.keys())
    assert "s3:ListBucket" in checked(caught.value).hint


@pytest.mark.parametrize("operation", ["GetObject", "HeadObject"])
def test_a_refused_read_says_that_a_missing_blob_may_look_the_same(
    stub: Stub, store: RemoteStore, operation: str
) -> None:
    stub.deny(operation)
    with pytest.raises(
        RemoteError, match="without s3:ListBucket, an object that is not there looks the same"
    ) as caught:
        store.get(blob("x")[0])
        store.has(blob("x")[0])
    assert "s3:GetObject" in checked(caught.value).hint


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (400, "ExpiredToken", "the credentials have expired"),
        (400, "InvalidToken", "the session token is not valid"),
        (403, "RequestTimeTooSkewed", "clock"),
        (301, "PermanentRedirect", "it redirects every request"),
        (400, "AuthorizationHeaderMalformed", "is in another region"),
        (403, "InvalidObjectState", "cold storage"),
        (507, "InsufficientStorage", "no space is left"),
        (418, "Teapot", "it refused the request (Teapot)"),
        (418, "<opensesame>", "it refused the request (an unknown error)"),
    ],
)
def test_s3s_error_codes_become_words(
    stub: Stub, store: RemoteStore, status: int, code: str, words: str
) -> None:
    message = f"for {STUB_KEYS.access} with opensesame"
    stub.refuse["*"] = Refusal(status, code.replace("<", "&lt;"), message)
    assert words in unread(store).message
    assert words in refused(store).message


def test_a_closed_port_is_an_error_after_a_few_seconds(stub: Stub, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    store = store_of(project(stub, tmp_path, endpointurl=f"http://127.0.0.1:{port}"))
    began = time.monotonic()
    assert f"nothing answers at http://127.0.0.1:{port}" in unread(store).message
    assert time.monotonic() - began < 8  # 3 at most, but for a machine that is busy


def test_an_address_that_is_not_dvcs_is_named_too(
    stub: Stub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "_ATTEMPTS", 1)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        endpoint = f"http://127.0.0.1:{taken.getsockname()[1]}"
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
    root = dvc_project(tmp_path, f"s3://{BUCKET}", {**STUB_KEYS.settings, "region": "us-east-1"})
    assert unread(store_of(root)).message.endswith(f"nothing answers at {endpoint}")


def test_a_silent_remote_is_given_up_after_the_time_that_dvc_is_told(
    stub: Stub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "_ATTEMPTS", 1)
    stub.silent = True
    store = store_of(project(stub, tmp_path, read_timeout=1))
    began = time.monotonic()
    assert "stopped answering" in unread(store).message
    assert 1 <= time.monotonic() - began < 10


def test_tls_with_a_server_that_speaks_none_is_an_error(
    s3: S3, stub: Stub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "_ATTEMPTS", 1)
    endpoint = s3.endpoint.replace("http:", "https:")
    error = unread(store_of(project(stub, tmp_path, endpointurl=endpoint)))
    assert "TLS" in error.message
    assert "ssl_verify" in error.hint


def test_a_password_in_the_endpoint_is_not_shown(
    stub: Stub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "_ATTEMPTS", 1)
    endpoint = stub.endpoint.replace("//", "//somebody:opensesame@")
    assert stub.endpoint in unread(store_of(project(stub, tmp_path, endpointurl=endpoint))).message


def test_a_bucket_of_another_region_is_told(stub: Stub, store: RemoteStore) -> None:
    for operation in ("GetObject", "PutObject"):
        stub.refuse[operation] = Refusal(301, "PermanentRedirect", "elsewhere")
    assert "bucket 'bucket' is in another region" in unread(store).message
    assert "region" in refused(store).hint


@pytest.mark.parametrize("endpoint", ["127.0.0.1:9000", "http://opensesame:pw@", "nonsense"])
def test_an_endpoint_that_is_no_url_is_an_error(stub: Stub, tmp_path: Path, endpoint: str) -> None:
    error = unread(store_of(project(stub, tmp_path, endpointurl=endpoint)))
    assert ".dvc/config" in error.hint


def test_what_is_no_s3_server_is_an_error(tmp_path: Path, stub: Stub) -> None:
    stub.refuse["*"] = Refusal(404, "opensesame</Code><Broken>")
    assert unread(store_of(project(stub, tmp_path)))
