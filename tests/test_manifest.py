"""The manifest: what is written is read back, and what is no manifest is refused with its line."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from booktest_cassettes import manifest_text, manifest_yaml
from booktest_cassettes.digest import BlobKey, Digest, Kind
from booktest_cassettes.errors import ManifestError, StorageError, UsageError
from booktest_cassettes.manifest import Manifest, check_test_id, load, loads, save

A = Digest("sha256:" + "a" * 64)
B = Digest("sha256:" + "b" * 64)
COMMENT = (
    "# booktest.manifest.yaml: test and kind -> sha256 of the approved snapshot; "
    "written by booktest-cassettes\n"
)
HEADER = COMMENT + "storage_mode: git\n"
USERS = "tests/test_api.py::test_users"
LOADERS = ["libyaml", "pure"]

NASTY_IDS = [
    USERS,
    "test/a_book.py::test_x",
    "t.py::t[a/b]",
    "t.py::t[x::y]",
    "t.py::t[../z]",
    "t.py::t[é]",
    "t.py::t[👩\u200d💻🏳️\u200d🌈]",
    "t.py::t[1-2.5-True]",
    "t.py::t[a=b,c+d@e(f)]",
    "t.py::t[with space]",
    "t.py::t[" + "x" * 4096 + "]",
    "t.py::t[" + "💥" * 4096 + "]",
    *("a/" + "x" * length for length in (995, 996, 997, 998, 999, 1000, 1001, 1020, 1022, 1024, 1030)),
    *("é" * length for length in (996, 997, 998, 999, 1000, 1018, 1020, 1022, 1024)),
    "'",
    '"',
    '""',
    "a\"b'c",
    '"a": "sha256:x"',
    "a: b",
    "a:",
    "a::",
    ":",
    ": ",
    "a/b:",
    "a #b",
    "#a",
    " leading",
    "trailing ",
    "tests/a.py ",
    " ",
    "\t",
    "a\tb",
    "true",
    "True",
    "yes",
    "n",
    "on",
    "null",
    "~",
    "1",
    "1.5",
    "0x1f",
    "1_000",
    "1e3",
    ".inf",
    ".nan",
    "1:30:00",
    "2020-01-01",
    "2020-01-01 10:00:00Z",
    "storage_mode",
    "./storage_mode",
    "././storage_mode",
    "../storage_mode",
    "/storage_mode",
    "storage_mode2",
    "<<",
    "=",
    "\\",
    "\\n",
    "a\\u0041",
    "C:\\tests\\a.py::t",
    "-",
    "- a",
    "---",
    "...",
    "?",
    "? a",
    '? "a"',
    "{a}",
    "[a]",
    "[a, b]: c",
    "a, b",
    "*a",
    "&a b",
    "!tag b",
    "|",
    ">",
    "%YAML 1.1",
    "@a",
    "`a`",
    "env",
    "  env: ",
    f'  env: "{A}"',
    "<<<<<<< HEAD",
    "=======",
    "\xa0",
    "a\xadb",
    "a\u200bb\u200e\u202eb\u2066",
    "\ufeff",
    "\ufeffa",
    "\ufffe\uffff",
    "\ue000",
    "\U0001fffe\U0010ffff",
    "e\u0301",
    "${jndi:ldap://x}",
    "../../etc/passwd",
]


def is_accepted(test_id: str) -> bool:
    try:
        check_test_id(test_id)
    except UsageError:
        return False
    return True


hostile_text = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from("\"'\\:#-?[]{},&*!|>%@`~<=. \t/_asx09\xa0\u200b\ufeff\ufffe\U0001f4a5"),
    ),
    min_size=1,
    max_size=30,
)
test_ids = st.one_of(
    st.sampled_from(NASTY_IDS),
    hostile_text.filter(is_accepted),
    st.from_regex(r"tests/[a-z_]{1,5}\.py::test_[a-z]{1,3}(\[[a-z0-9./:-]{1,9}\])?", fullmatch=True),
    st.builds(lambda text, times: text * times, hostile_text.filter(is_accepted), st.integers(30, 400)),
)
digests = st.binary(min_size=1, max_size=4).map(Digest.of)
manifests = st.builds(
    Manifest,
    st.sampled_from(manifest_text.STORAGE_MODES),
    st.dictionaries(
        test_ids,
        st.dictionaries(st.sampled_from(list(Kind)), digests, min_size=1),
        max_size=6,
    ),
)


@contextmanager
def yaml_loader(name: str) -> Iterator[None]:
    """Read with libyaml, or as on a machine whose PyYAML was built without it."""
    with pytest.MonkeyPatch.context() as patch:
        if name == "pure":
            patch.delattr(yaml, "CSafeLoader", raising=False)
        elif not yaml.__with_libyaml__:
            pytest.skip("PyYAML without libyaml")
        yield


def as_yaml(manifest: Manifest) -> dict[str, object]:
    """What a YAML reader is to find in the manifest's text."""
    found: dict[str, object] = {"storage_mode": manifest.storage_mode}
    for test_id, kinds in manifest.entries.items():
        name = "./" + test_id if test_id.replace("./", "") == "storage_mode" else test_id
        found[name] = {kind.value: str(digest) for kind, digest in kinds.items()}
    return found


def one(test_id: str) -> Manifest:
    return Manifest("git", {test_id: {Kind.HTTP: A}})


# --- the canonical text


def test_the_canonical_text_is_the_documented_layout() -> None:
    manifest = Manifest(
        "dvc",
        {
            "tests/test_b.py::test[two words]": {Kind.HTTPX: A, Kind.FUNC: B},
            USERS: {Kind.HTTP: A, Kind.ENV: B},
        },
    )
    assert manifest.dump() == (
        COMMENT + "storage_mode: dvc\n"
        "tests/test_api.py::test_users:\n"
        f'  env: "{B}"\n'
        f'  http: "{A}"\n'
        '"tests/test_b.py::test[two words]":\n'
        f'  func: "{B}"\n'
        f'  httpx: "{A}"\n'
    )


def test_an_empty_manifest_is_its_two_first_lines() -> None:
    assert Manifest().dump() == HEADER
    assert loads(HEADER, name="m") == Manifest()


def test_tests_are_in_code_point_order_however_they_are_quoted() -> None:
    ids = ["é", "z", "a/b", "Z", "\U0001f4a5", "~", "a b", "\uffff"]
    manifest = Manifest("git", {test_id: {Kind.ENV: A} for test_id in ids})
    assert list(loads(manifest.dump(), name="m").entries) == sorted(ids)


def test_a_test_without_kinds_has_no_line() -> None:
    assert Manifest("git", {USERS: {}}).dump() == HEADER


@pytest.mark.parametrize(
    "test_id", ["tests/a.py::t", "t.py::t[x::y]", "t.py::t[../z]", "a/b.py::C::t[1-a=b]"]
)
def test_everyday_ids_are_not_quoted(test_id: str) -> None:
    assert f"\n{test_id}:\n" in one(test_id).dump()


def test_invisible_characters_are_written_as_escapes() -> None:
    text = one("a\u202eb\u200bc\xa0d").dump()
    assert '\n"a\\u202eb\\u200bc\\u00a0d":\n' in text


def test_a_long_id_takes_the_explicit_key_form() -> None:
    test_id = "t.py::t[" + "x" * 4096 + "]"
    assert f'\n? "{test_id}"\n:\n  http: "{A}"\n' in one(test_id).dump()


@pytest.mark.parametrize("test_id", NASTY_IDS, ids=ascii)
def test_a_nasty_id_survives_every_reader(test_id: str) -> None:
    manifest = one(test_id)
    text = manifest.dump()
    assert loads(text, name="m") == manifest
    assert manifest_text.read_canonical(text) is not None
    assert yaml.safe_load(text) == as_yaml(manifest)
    for loader in LOADERS:
        with yaml_loader(loader):
            assert loads("# edited by hand\n" + text, name="m") == manifest


@given(manifests)
def test_what_is_written_is_read_back(manifest: Manifest) -> None:
    text = manifest.dump()
    assert loads(text, name="m") == manifest
    assert loads(text, name="m").dump() == text
    assert manifest_text.read_canonical(text) is not None


@given(manifests)
def test_every_yaml_reader_finds_the_same_mapping(manifest: Manifest) -> None:
    text = manifest.dump()
    assert yaml.safe_load(text) == as_yaml(manifest)
    assert yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)) == as_yaml(manifest)


@given(manifests, st.sampled_from(LOADERS))
def test_both_readers_agree_on_canonical_text(manifest: Manifest, loader: str) -> None:
    text = manifest.dump()
    with yaml_loader(loader):
        assert manifest_yaml.read_yaml(text, "m") == (manifest.storage_mode, manifest.entries)


def test_a_written_manifest_is_read_without_importing_yaml() -> None:
    code = (
        "import sys; from booktest_cassettes.manifest import Manifest, loads\n"
        "from booktest_cassettes.digest import Digest, Kind\n"
        "m = Manifest('git', {t: {Kind.ENV: Digest.of(b'')} for t in ('a/b', 'a b', 'x' * 2000)})\n"
        "assert loads(m.dump(), name='m') == m\n"
        "sys.exit('yaml' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_the_entries_of_a_read_manifest_are_a_mapping_like_any_other() -> None:
    entries = loads(TWO.dump(), name="m").entries
    assert entries == TWO.entries
    assert TWO.entries == entries
    assert entries != one(USERS).entries
    assert dict(entries) == TWO.entries
    assert repr(entries) == repr(TWO.entries)
    assert len(entries) == 2
    assert USERS in entries
    assert "t/other" not in entries
    assert pickle.loads(pickle.dumps(entries)) == entries


def test_read_digests_and_kinds_have_their_types() -> None:
    for text in (one(USERS).dump(), "#\n" + one(USERS).dump()):
        ((kind, digest),) = loads(text, name="m").get(USERS).items()
        assert (type(kind), type(digest)) == (Kind, Digest)


# --- edited by hand


TWO = Manifest("dvc", {USERS: {Kind.ENV: B, Kind.HTTP: A}, "true": {Kind.FUNC: A}})

HAND_EDITED = {
    "comments and blank lines": f"""\
# booktest.manifest.yaml
storage_mode: dvc            # dvc | git

# the slow ones
{USERS}:   # flaky
  env: "{B}"

  http: "{A}"
"true":
  func: "{A}"
""",
    "another order": f"""\
'true':
  func: "{A}"
{USERS}:
  http: "{A}"
  env: "{B}"
storage_mode: dvc
""",
    "no quotes": f"""\
storage_mode: "dvc"
{USERS}:
    env: {B}
    http: '{A}'
true:
    func: {A}
""",
    "flow style": f'{{storage_mode: dvc, "{USERS}": {{env: "{B}", http: "{A}"}}, "true": {{func: "{A}"}}}}',
    "an explicit document": f"""\
%YAML 1.1
---
storage_mode: dvc
? {USERS}
: env: "{B}"
  http: "{A}"
"true": {{func: "{A}"}}
...
""",
    "CRLF": TWO.dump().replace("\n", "\r\n"),
    "a byte order mark": "\ufeff" + TWO.dump(),
    "no final newline": TWO.dump().removesuffix("\n"),
    "a trailing blank line": TWO.dump() + "\n",
    "a doubled quote style": TWO.dump().replace(f"\n{USERS}:", f'\n"{USERS}":'),
    "other escapes": TWO.dump().replace('"true"', '"\\x74ru\\u0065"'),
    "an explicit short key": TWO.dump().replace('"true":', '? "true"\n:'),
    "another indentation": TWO.dump().replace("  ", "   "),
}


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize("text", HAND_EDITED.values(), ids=HAND_EDITED)
def test_a_hand_edited_file_means_the_same(text: str, loader: str) -> None:
    assert manifest_text.read_canonical(text) is None
    with yaml_loader(loader):
        assert loads(text, name="m") == TWO
    assert loads(loads(text, name="m").dump(), name="m").dump() == TWO.dump()


def test_a_test_named_like_the_setting_is_kept_apart_from_it() -> None:
    manifest = Manifest("dvc", {"storage_mode": {Kind.ENV: A}, "./storage_mode": {Kind.ENV: B}})
    assert '"./storage_mode":' in manifest.dump()
    assert loads(manifest.dump(), name="m") == manifest
    assert loads("#\n" + manifest.dump(), name="m") == manifest


# --- refusals, each with its line


def lines(*added: str) -> str:
    return "\n".join((COMMENT + "storage_mode: git", *added, ""))


GOOD = f'  http: "{A}"'

REFUSED = {
    "a test that is there twice": (
        lines("t/a:", GOOD, "t/b:", GOOD, "t/a:", GOOD),
        7,
        "twice (first on line 3)",
    ),
    "the same test in other quotes": (lines("t/a:", GOOD, "'t/a':", GOOD), 5, "twice (first on line 3)"),
    "a kind that is there twice": (
        lines("t/a:", GOOD, GOOD),
        5,
        "kind 'http' is there twice (first on line 4)",
    ),
    "storage_mode twice": (lines("storage_mode: dvc"), 3, "twice (first on line 2)"),
    "an unknown kind": (lines("t/a:", GOOD, f'  grpc: "{A}"'), 5, "unknown kind 'grpc'"),
    "a kind in upper case": (lines("t/a:", f'  HTTP: "{A}"'), 4, "unknown kind 'HTTP'"),
    "a digest that is too short": (lines("t/a:", f'  env: "{A[:-1]}"'), 4, "not a digest"),
    "a digest that is too long": (lines("t/a:", f'  env: "{A}a"'), 4, "not a digest"),
    "a digest in upper case": (lines("t/a:", f'  env: "sha256:{"A" * 64}"'), 4, "not a digest"),
    "a digest with other letters": (lines("t/a:", f'  env: "sha256:{"g" * 64}"'), 4, "not a digest"),
    "a digest with a letter too many": (lines("t/a:", f'  env: "sha256:{"a" * 63}é"'), 4, "not a digest"),
    "a digest of another algorithm": (lines("t/a:", f'  env: "md5:{"a" * 32}"'), 4, "not a digest"),
    "a digest with a space": (lines("t/a:", GOOD, f'  httpx: " {A}"'), 5, "not a digest"),
    "an empty quoted digest": (lines("t/a:", '  env: ""'), 4, "not a digest"),
    "an empty digest": (lines("t/a:", "  env:", GOOD), 4, "kind env has an empty value"),
    "a digest that is a list": (lines("t/a:", "  env:", f'    - "{A}"'), 4, "needs a digest"),
    "a digest that is a mapping": (lines("t/a:", f"  env: {{sha256: {'a' * 64}}}"), 4, "needs a digest"),
    "a kind that is a list": (lines("t/a:", f'  [env]: "{A}"'), 4, "a kind must be text"),
    "a setting of the future": (lines("format: 2"), 3, "written by a newer version of booktest-cassettes"),
    "a list setting of the future": (lines("features: [a]"), 3, "written by a newer version"),
    "a digest where kinds should be": (
        lines(f'tests/a.py::t: "{A}"'),
        3,
        "needs a mapping of kind to digest",
    ),
    "a list where kinds should be": (lines("t/a:", "  - env"), 3, "needs a mapping of kind to digest"),
    "a test without a value": (lines("t/a:", "t/b:", GOOD), 3, "'t/a' has an empty value"),
    "a last test without a value": (lines("t/a:", GOOD, "t/b:"), 5, "'t/b' has an empty value"),
    "a test without kinds": (lines("t/a: {}"), 3, "has no snapshots"),
    "a test that is a list": (lines("[t, a]:", GOOD), 3, "a test must be text"),
    "an empty test id": (lines('"":', GOOD), 3, "is empty"),
    "a line break in a test id": (lines('"a\\nb":', GOOD), 3, "U+000A"),
    "an escaped NUL in a test id": (lines('"a\\0b":', GOOD), 3, "U+0000"),
    "a YAML line break in a test id": (lines('"a\\Lb":', GOOD), 3, "U+2028"),
    "an unknown storage mode": (COMMENT + "storage_mode: s3\n", 2, "must be dvc or git, not 's3'"),
    "an empty storage mode": (COMMENT + "storage_mode:\n", 2, "must be dvc or git, not ''"),
    "a storage mode that is a mapping": (COMMENT + "storage_mode:\n" + GOOD + "\n", 3, "must be dvc or git"),
    "no storage mode": (COMMENT + "t/a:\n" + GOOD + "\n", 1, "no storage_mode"),
    "an anchor": (lines("t/a: &x", GOOD), 3, "an anchor or alias"),
    "an anchor on a key": (lines("&x t/a:", GOOD), 3, "an anchor or alias"),
    "an alias": (lines("t/a:", GOOD, "t/b: *x"), 5, "an anchor or alias"),
    "an alias as a key": (lines("t/a:", GOOD, "*x :", GOOD), 5, "an anchor or alias"),
    "a tag": (lines("t/a: !!map", GOOD), 3, "a tag"),
    "a tag that would run code": (lines("t/a:", "  env: !!python/object/apply:os.abort []"), 4, "a tag"),
    "a non-specific tag": (lines("t/a:", f'  env: ! "{A}"'), 4, "a tag"),
    "a merge key": (lines("t/a:", "  <<: {}"), 4, "a merge key"),
    "a merge key at the top": (lines("<<: {}"), 3, "a merge key"),
    "two documents": (lines("t/a:", GOOD, "---", "storage_mode: git"), 5, "a second document"),
    "a second document after its end": (lines("...", "---", "a: b"), 4, "a second document"),
    "a tab for indentation": (lines("t/a:", f'\thttp: "{A}"'), 4, "not valid YAML"),
    "wrong indentation": (lines("t/a:", GOOD, f'   env: "{A}"'), 5, "not valid YAML"),
    "an open quote": (lines('"t/a:', GOOD), 4, "not valid YAML"),
    "a line that is no YAML": (lines("t/a:", GOOD, "rubbish"), 6, "not valid YAML"),
    "an escape that YAML does not know": (lines('"t\\q":', GOOD), 3, "not valid YAML"),
    "a list": ("- a\n", 1, "not a manifest"),
    "a text": ("\nhello\n", 2, "not a manifest"),
    "an empty file": ("", 1, "the manifest is empty"),
    "only comments": (COMMENT, 1, "the manifest is empty"),
    "an empty document": ("---\n", 1, "the manifest is empty"),
    "conflict: ours": (lines("<<<<<<< HEAD", "t/a:", GOOD), 3, "unresolved merge conflict (<<<<<<<)"),
    "conflict: base": (lines("t/a:", GOOD, "||||||| 1234567"), 5, "unresolved merge conflict (|||||||)"),
    "conflict: middle": (lines("t/a:", GOOD, "======="), 5, "unresolved merge conflict (=======)"),
    "conflict: theirs": (lines("t/a:", GOOD, ">>>>>>> main"), 5, "unresolved merge conflict (>>>>>>>)"),
    "conflict: CRLF": (lines("t/a:", GOOD, "=======").replace("\n", "\r\n"), 5, "merge conflict (=======)"),
    "conflict: at the end": (HEADER + "=======", 3, "merge conflict (=======)"),
    "a NUL": (lines("t/a:", GOOD, "\0"), 5, "U+0000"),
    "a control character": (lines("t/\x1ba:", GOOD), 3, "U+001B"),
    "a lone carriage return": (lines("# hidden:\rt/a:", GOOD), 3, "U+000D"),
    "a line break that only YAML sees": (lines("# hidden:\u2028t/a:", GOOD), 3, "U+2028"),
    "a lone surrogate": (lines("t/\ud800a:", GOOD), 3, "U+D800"),
    "a byte order mark inside": (lines("t/a:", GOOD, "\ufeff"), 5, "U+FEFF"),
}


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize(("text", "line", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_manifest_is_refused_with_its_line(
    text: str, line: int, message: str, loader: str
) -> None:
    with yaml_loader(loader), pytest.raises(ManifestError) as caught:
        loads(text, name="booktest.manifest.yaml")
    assert caught.value.message.startswith(f"booktest.manifest.yaml:{line}: ")
    assert message in caught.value.message
    assert caught.value.hint
    assert caught.value.exit_code == 4


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize(
    "text",
    ['"\\UFFFFFFFF": {}', '"\\U00110000": {}', '"\\ud800": {}', "%YAML 1." + "9" * 5000 + "\n---\na: b"],
    ids=["beyond int", "beyond Unicode", "surrogate", "a version of 5,000 digits"],
)
def test_what_upsets_a_yaml_parser_is_an_error_like_any_other(text: str, loader: str) -> None:
    with yaml_loader(loader), pytest.raises(ManifestError, match=r"^m:1: "):
        loads(text, name="m")


@pytest.mark.parametrize("loader", LOADERS)
def test_deep_nesting_is_refused_at_its_first_level(loader: str) -> None:
    for bomb in ("[" * 20_000, "{" * 20_000, "- " * 20_000, "? " * 20_000):
        with yaml_loader(loader), pytest.raises(ManifestError):
            loads(bomb, name="m")


def test_a_conflict_names_the_commands_to_run_next() -> None:
    with pytest.raises(ManifestError) as caught:
        loads(lines("<<<<<<< HEAD"), name="m")
    assert "booktest-cassettes review" in caught.value.hint


def test_a_newer_manifest_says_to_upgrade() -> None:
    with pytest.raises(ManifestError) as caught:
        loads(lines("format: 2"), name="m")
    assert "upgrade" in caught.value.hint


def test_a_long_id_is_shortened_in_messages() -> None:
    test_id = "t/" + "x" * 5000
    with pytest.raises(ManifestError) as caught:
        loads(lines(f'? "{test_id}"', ": {}"), name="m")
    assert len(caught.value.message) < 300


def test_almost_canonical_text_never_takes_the_short_way() -> None:
    good = Manifest("git", {"a/a": {Kind.ENV: A, Kind.HTTP: B}, "b b": {Kind.ENV: A}}).dump()
    body = good.removeprefix(HEADER)
    line = f'  env: "{A}"\n'
    for text in (
        good.replace("a/a:", "a/a: "),
        good.replace('"b b":', '"b b" :'),
        good.replace('"b b":', '"b b"::'),
        good.replace('"b b":', '"b b"'),
        good.replace('"b b":', '? "b b"'),
        good.replace('"b b":', '? "b b":'),
        good.replace('"b b":', "1:"),
        good.replace('"b b":', '"c\\u0020c":'),
        good.replace('"b b":', '"b\\/b":'),
        good.replace('"b b":', '"a a":'),
        good.replace('"b b":', "b/b::"),
        good.replace('"b b":', "b/" + "b" * 1000 + ":"),
        good.replace('"b b":', '"b/b":'),
        good.replace('"b b":', '"b\\u0001b":'),
        good.replace('"b b":', '"b\ud800b":'),
        good.replace(line, line.replace('"\n', "'\n")),
        good.replace(line, "  env: 'sha256:" + "a" * 64 + '"\n'),
        good.replace("a" * 64, "A" * 64),
        good.replace("a" * 64, "s" + "a" * 63),
        good.replace("a" * 64, "\ud800" + "a" * 63),
        good.replace("a" * 64, "é" + "a" * 63),
        good.removesuffix("\n"),
        good + "\n",
        good + "c/c:\n",
        HEADER + "\n",
        HEADER + "\n" + body,
        HEADER + "rubbish\n" + body,
        good + "rubbish",
        HEADER + "a/a:\n" + body,
        HEADER + line + body,
        good.replace(line, line + line, 1),
        good + "storage_mode: git\n",
    ):
        assert text != good
        assert manifest_text.read_canonical(text) is None, text


# --- fuzzing


SCRAPS = [
    *("\n", "\r\n", "\r", "\t", " ", "  ", ":", ": ", "::", "#", " #", "-", "- ", "?", "? ", '"', "'", "\\"),
    *("{", "}", "[", "]", ",", "&a ", "*a", "!", "!!str ", "<<: ", "|", ">", "%", "@", "`", "---\n", "...\n"),
    *(
        "=======\n",
        "<<<<<<< a\n",
        "\0",
        "\ufeff",
        "\x85",
        "\u2028",
        "\ud800",
        "\U0001f4a5",
        "\\UFFFFFFFF",
        "a",
    ),
    *("storage_mode", "true", "~", "1", "env", "http: ", f'  http: "{A}"\n', "t/a:\n", HEADER),
]
edits = st.lists(
    st.tuples(
        st.integers(0, 10_000),
        st.integers(0, 90),
        st.one_of(st.sampled_from(SCRAPS), st.text(max_size=5)),
    ),
    min_size=1,
    max_size=6,
)


def edited(text: str, changes: list[tuple[int, int, str]]) -> str:
    for where, deleted, inserted in changes:
        start = where % (len(text) + 1)
        text = text[:start] + inserted + text[start + (deleted if deleted < 5 or deleted > 70 else 0) :]
    return text


def unless_refused(read: Callable[[], Manifest], where: str) -> Manifest | None:
    """What is read; ``None`` when it was refused in the one way that is allowed."""
    try:
        return read()
    except ManifestError as error:
        refusal = error
    assert re.match(re.escape(where) + r"\d+: ", refusal.message)
    return None


def check_any_text(text: str) -> None:
    """Refused as a manifest, or read the same way by both readers and written back without loss."""
    manifest = unless_refused(lambda: loads(text, name="m"), "m:")
    if manifest is None:
        return
    if text == manifest.dump():
        assert manifest_text.read_canonical(text) is not None
    else:
        assert manifest_text.read_canonical(text) is None
    assert manifest_yaml.read_yaml(text, "m") == (manifest.storage_mode, manifest.entries)
    assert loads(manifest.dump(), name="m") == manifest


@pytest.mark.parametrize("loader", LOADERS)
@settings(max_examples=300)
@given(manifest=manifests, changes=edits)
@example(manifest=TWO, changes=[(len(HEADER), 0, "\ud800")])
def test_a_damaged_manifest_is_read_or_refused_but_never_crashes(
    loader: str, manifest: Manifest, changes: list[tuple[int, int, str]]
) -> None:
    with yaml_loader(loader):
        check_any_text(edited(manifest.dump(), changes))


@pytest.mark.parametrize("loader", LOADERS)
@settings(max_examples=300)
@given(text=st.lists(st.one_of(st.sampled_from(SCRAPS), st.text(max_size=3)), max_size=12).map("".join))
def test_any_text_is_read_or_refused_but_never_crashes(loader: str, text: str) -> None:
    with yaml_loader(loader):
        check_any_text(text)
        check_any_text(HEADER + text)


@given(data=st.binary(max_size=60))
def test_any_bytes_are_read_or_refused_but_never_crash(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.mktemp("any") / "m.yaml"
    for content in (data, HEADER.encode() + data):
        path.write_bytes(content)
        unless_refused(lambda: load(path), f"{path}:")


# --- the value


def test_get_of_an_unknown_test_is_empty() -> None:
    assert Manifest().get("t/a") == {}
    assert one("t/a").get("t/a") == {Kind.HTTP: A}


def test_keys_are_the_blobs_without_repeats() -> None:
    manifest = Manifest("git", {"t/a": {Kind.ENV: A, Kind.HTTP: A}, "t/b": {Kind.ENV: A}})
    assert manifest.keys() == {BlobKey(Kind.ENV, A), BlobKey(Kind.HTTP, A)}


def test_changes_give_another_manifest_and_leave_the_first() -> None:
    before = Manifest("dvc", {"t/a": {Kind.ENV: A, Kind.HTTP: A}, "t/b": {Kind.ENV: A}})
    text = before.dump()
    after = before.with_changes({"t/a": {Kind.HTTP: B, Kind.FUNC: B}, "t/c": {Kind.ENV: B}})
    assert after == Manifest(
        "dvc",
        {
            "t/a": {Kind.ENV: A, Kind.FUNC: B, Kind.HTTP: B},
            "t/b": {Kind.ENV: A},
            "t/c": {Kind.ENV: B},
        },
    )
    assert before.dump() == text


def test_none_takes_a_kind_out_and_its_last_kind_takes_the_test_out() -> None:
    manifest = Manifest("git", {"t/a": {Kind.ENV: A, Kind.HTTP: A}})
    fewer = manifest.with_changes({"t/a": {Kind.ENV: None}})
    assert fewer.entries == {"t/a": {Kind.HTTP: A}}
    assert fewer.with_changes({"t/a": {Kind.HTTP: None}}) == Manifest()


def test_taking_out_what_is_not_there_changes_nothing() -> None:
    manifest = one("t/a")
    assert manifest.with_changes({"t/x": {Kind.ENV: None}, "t/a": {Kind.ENV: None}, "t/y": {}}) == manifest


@given(manifests, manifests)
def test_changes_in_any_grouping_give_the_same_text(first: Manifest, second: Manifest) -> None:
    at_once = first.with_changes(second.entries)
    one_by_one = first
    for test_id, kinds in sorted(second.entries.items(), reverse=True):
        for kind, digest in kinds.items():
            one_by_one = one_by_one.with_changes({test_id: {kind: digest}})
    assert at_once == one_by_one
    assert at_once.dump() == one_by_one.dump()


def test_an_unknown_storage_mode_is_refused() -> None:
    with pytest.raises(UsageError, match="auto"):
        Manifest("auto")  # type: ignore[arg-type]


def test_a_manifest_crosses_process_borders() -> None:
    assert pickle.loads(pickle.dumps(TWO)) == TWO


BAD_IDS = [
    "",
    "a\nb",
    "\r",
    "\0",
    "\x1b[31m",
    "\x7f",
    "\x85",
    "\x9f",
    "\u2028",
    "\u2029",
    "\ud800",
    "a\udfff",
]


@pytest.mark.parametrize("test_id", BAD_IDS, ids=ascii)
def test_an_id_that_no_line_can_hold_is_refused_before_it_is_written(test_id: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_test_id(test_id)
    str(caught.value).encode()  # printable, whatever the id
    with pytest.raises(UsageError):
        Manifest().with_changes({test_id: {Kind.ENV: A}})
    with pytest.raises(UsageError):
        one(test_id).dump()


@pytest.mark.parametrize("test_id", NASTY_IDS, ids=ascii)
def test_a_printable_id_is_accepted(test_id: str) -> None:
    check_test_id(test_id)


# --- the file


def test_an_absent_file_is_an_empty_manifest(tmp_path: Path) -> None:
    assert load(tmp_path / "m.yaml") == Manifest("git")
    assert load(tmp_path / "m.yaml", storage_mode="dvc") == Manifest("dvc")


def test_a_saved_manifest_is_loaded_again(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "m.yaml"
    save(path, TWO)
    assert path.read_bytes() == TWO.dump().encode()
    assert load(path, storage_mode="git") == TWO


def test_an_id_that_cannot_be_written_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    save(path, TWO)
    with pytest.raises(UsageError):
        save(path, one("a\nb"))
    assert load(path) == TWO


def test_a_directory_at_the_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="is a directory"):
        load(tmp_path)


def test_bytes_that_are_not_utf8_are_refused_with_their_line(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_bytes(HEADER.encode() + b"t/\xff:\n")
    with pytest.raises(ManifestError) as caught:
        load(path)
    assert caught.value.message == f"{path}:3: not UTF-8 text"


def test_a_parent_that_is_a_file_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        load(tmp_path / "file" / "m.yaml")
