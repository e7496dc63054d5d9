"""Where the credentials of a remote come from: their source, never themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ...store.remote.place import Place
from .findings import Finding, Findings, ok

_SECRETS = (
    "access_key_id", "secret_access_key", "session_token", "password", "passphrase", "connection_string",
    "account_key", "sas_token", "client_secret", "oss_key_secret", "gdrive_client_secret", "token",
)  # fmt: skip
#: Options that say where a credential is, by scheme.
_POINTERS = {
    "s3": ("profile", "credentialpath"),
    "ssh": ("keyfile", "ask_password", "ask_passphrase", "gss_auth"),
    "gs": ("credentialpath",),
}
_VARIABLES = {
    "s3": ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE",
           "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
           "AWS_SHARED_CREDENTIALS_FILE"),
    "ssh": ("SSH_AUTH_SOCK",),
    "gs": ("GOOGLE_APPLICATION_CREDENTIALS",),
    "azure": ("AZURE_STORAGE_CONNECTION_STRING", "AZURE_STORAGE_KEY", "AZURE_STORAGE_SAS_TOKEN",
              "AZURE_CLIENT_ID"),
    "oss": ("OSS_ACCESS_KEY_ID",),
}  # fmt: skip
#: Below the home directory.
_FILES = {
    "s3": (".aws/credentials", ".aws/config"),
    "ssh": (".ssh/id_ed25519", ".ssh/id_ecdsa", ".ssh/id_rsa", ".ssh/config"),
    "gs": (".config/gcloud/application_default_credentials.json",),
    "azure": (".azure/msal_token_cache.json",),
}
_LEVELS = {"local": "config.local", "repo": "config", "global": "global config", "system": "system config"}


def check(place: Place, environ: Mapping[str, str]) -> Findings:
    """Which source DVC's library will take them from, as far as that shows without asking anybody."""
    scheme = place.url.partition("://")[0].lower() if "://" in place.url else ""
    if not scheme:
        yield ok("credentials", "", "credentials: a share needs none")
        return
    settings = _settings(place)
    yield from _committed(place, settings)
    sources = list(_sources(scheme, settings, environ))
    if sources:
        yield ok("credentials", "", f"credentials: from {', '.join(dict.fromkeys(sources))}")
    else:
        what = "no credentials are configured: what the machine itself has (a role, an agent), or none"
        yield Finding("credentials", "note", "", what, f"dvc remote modify --local {place.name} OPTION VALUE")


def _sources(
    scheme: str, settings: Mapping[str, Mapping[str, Any]], environ: Mapping[str, str]
) -> Iterator[str]:
    for level, options in settings.items():
        for option in options:
            if option in _SECRETS or option in _POINTERS.get(scheme, ()):
                yield f".dvc/{_LEVELS[level]}" if level in ("local", "repo") else f"DVC's {_LEVELS[level]}"
                break
    for variable in _VARIABLES.get(scheme, ()):
        if environ.get(variable):
            yield f"environment ({variable})"
    home = _home(environ)
    for name in _FILES.get(scheme, ()) if home else ():
        if home is not None and _is_file(home / name):
            yield f"~/{name}"


def _committed(place: Place, settings: Mapping[str, Mapping[str, Any]]) -> Findings:
    for option in settings.get("repo", ()):
        if option in _SECRETS:
            yield Finding(
                "credentials-committed",
                "warning",
                ".dvc/config",
                f"holds {option} of {place.name!r}, and Git holds that file",
                f"dvc remote modify --unset {place.name} {option}; the same with --local and a new value",
            )


def _settings(place: Place) -> dict[str, Mapping[str, Any]]:
    """The options of the remote by the level that sets them, the nearest first."""
    from dvc.config import Config

    config = Config(str(place.dvc_dir), validate=False)
    return {level: config.load_one(level)["remote"].get(place.name, {}) for level in _LEVELS}


def _home(environ: Mapping[str, str]) -> Path | None:
    try:
        return Path(environ["HOME"]) if environ.get("HOME") else Path.home()
    except RuntimeError:  # a bare user id in a container
        return None


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False
