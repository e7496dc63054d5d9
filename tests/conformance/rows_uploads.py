"""Rows about bodies that are sent: generators, files, multipart."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from columns import COLUMNS, of_column
from rows import Row, Way
from stage import Stage
from uploads import UPLOADS, Upload, close_files

_SORTS = {
    "generators and pieces": ("generator", "iterable", "list", "pieces", "producer"),
    "file objects": ("file", "BytesIO"),
    "multipart, whatever its boundary": ("files", "fields", "form", "multipart"),
}
_OTHERS = "text and bytes as they are"


def _ways_of(column: str, sort: str) -> dict[str, Upload]:
    found = of_column(column, UPLOADS)
    if sort != _OTHERS:
        return {how: upload for how, upload in found.items() if _is(how, sort)}
    return {how: upload for how, upload in found.items() if not any(_is(how, one) for one in _SORTS)}


def _is(how: str, sort: str) -> bool:
    return bool(set(_SORTS[sort]) & set(how.split()))


def _uploading(uploads: Mapping[str, Upload]) -> Callable[[Stage], Any]:
    def play(stage: Stage) -> Any:
        try:
            return {how: upload(f"{stage.base}/framing") for how, upload in uploads.items()}
        finally:
            close_files()

    return play


def _row(sort: str) -> Row:
    ways: dict[str, Way] = {
        column: _uploading(uploads) for column in COLUMNS if (uploads := _ways_of(column, sort))
    }
    absent = {column: "it encodes no such body by itself" for column in COLUMNS if column not in ways}
    return Row("Uploads", sort, ways, absent)


ROWS = [_row(sort) for sort in (*_SORTS, _OTHERS)]
