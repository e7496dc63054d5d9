"""For people who keep their own ``vcr.VCR``: vcrpy's persister protocol over blobs (kind ``http``).

The cassette path becomes the id. Loading gives the approved recording; saving stages one, to be
approved like any other. What vcrpy would take for an empty cassette (a missing or corrupt blob) is an
error here: vcrpy would record over it.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from vcr.persisters.filesystem import CassetteNotFoundError
from vcr.request import Request as VcrRequest

from ..compat.presented import header_pairs, response_dict
from ..digest import Kind
from ..errors import RecordingRefused, UsageError
from ..options import Options, resolve
from ..project import Project
from ..recording import codec
from ..recording.bodies import Body
from ..recording.model import Failure, Interaction, Response
from ..runner import project_at, running
from .vcr import model_request


class BlobPersister:
    """vcrpy's persister interface."""

    def load_cassette(self, cassette_path: Any, serializer: Any) -> tuple[list[Any], list[Any]]:  # noqa: ARG002
        """Requests and responses of the approved recording.

        Raises
        ------
        CassetteNotFoundError
            vcrpy's own, when nothing was ever approved under this id: its record modes decide.
        BlobMissing, BlobCorrupt
            When something was approved and cannot be had.
        """
        project, test_id = _place(cassette_path)
        digest = project.manifest.entries.get(test_id, {}).get(Kind.HTTP)
        if digest is None:
            raise CassetteNotFoundError(f"{test_id}: no approved http snapshot")
        data = project.approved(test_id, Kind.HTTP, digest)
        items = codec.load_interactions(data, name=f"{test_id} (http)")
        pairs = [_pair(item, test_id) for item in items]
        return [request for request, _ in pairs], [response for _, response in pairs]

    def save_cassette(self, cassette_path: Any, cassette_dict: dict[str, Any], serializer: Any) -> None:  # noqa: ARG002
        """Stage a recording for review.

        Raises
        ------
        RecordingRefused
            In CI.
        UsageError
            For a cassette with metadata of its own (vcrpy's ``get_metadata``), which no blob holds.
        """
        project, test_id = _place(cassette_path)
        if project.config.ci:
            raise RecordingRefused(
                f"{test_id}: vcrpy recorded new traffic, but CI only replays approved snapshots",
                hint="record on your own machine, or use record_mode='none'",
            )
        if cassette_dict.get("metadata"):
            raise UsageError(
                f"{test_id}: has metadata (get_metadata), which an http snapshot cannot hold",
                hint="record the value as a function's result: cassette(func=[...])",
            )
        cleaner = resolve(project.config, Options()).cleaner
        pairs = zip(cassette_dict["requests"], cassette_dict["responses"], strict=True)
        # vcrpy's own matchers will compare the request: only secrets leave, nothing is normalised.
        redacted = cleaner.redactor.request
        made = (
            cleaner.interaction(Interaction(redacted(model_request(request)), _in_order(response)))
            for request, response in pairs
        )
        data = codec.dump_interactions(Kind.HTTP, [item for item in made if item])
        project.stage(test_id, {Kind.HTTP: data})


def _place(cassette_path: Any) -> tuple[Project, str]:
    runner = running()
    project = runner.project() if runner else project_at(Path.cwd())
    path = Path.cwd() / os.fspath(cassette_path)
    return project, Path(os.path.relpath(path, project.config.root)).as_posix()


def _in_order(response: dict[str, Any]) -> Response:
    # vcrpy gathers header names in a set, so their order is another one in every process.
    ours = _model_response(response)
    return replace(ours, headers=tuple(sorted(ours.headers, key=lambda pair: pair[0].lower())))


def _pair(item: Interaction, test_id: str) -> tuple[VcrRequest, dict[str, Any]]:
    if isinstance(item.outcome, Failure):
        raise UsageError(f"{test_id}: holds a recorded {item.outcome.type}, which vcrpy cannot replay")
    request = item.request
    headers = dict(request.headers)
    return VcrRequest(request.method, request.url, request.body or None, headers), response_dict(item.outcome)


def _model_response(response: dict[str, Any]) -> Response:
    """vcrpy's response in our form. Its body is decoded already, and stays so."""
    content = response["body"].get("string") or b""
    if isinstance(content, str):
        content = content.encode("utf-8")
    return Response(
        status=response["status"]["code"],
        reason=response["status"]["message"] or "",
        headers=header_pairs(response["headers"]),
        body=Body(content),
    )
