"""Clients built on http.client that bring habits of their own; each is tested where it is installed."""

from __future__ import annotations

from contextlib import closing
from importlib import import_module
from typing import Any

import pytest
from lab import ID, Lab
from loopback import TEXT

from booktest_cassettes import cassette


def _s3(base: str) -> Any:
    boto3 = import_module("boto3")
    config = import_module("botocore.config").Config(
        retries={"max_attempts": 0}, s3={"addressing_style": "path"}, connect_timeout=5, read_timeout=5
    )
    keys = {"aws_access_key_id": "ada", "aws_secret_access_key": "secret"}
    return closing(boto3.client("s3", endpoint_url=base, region_name="eu-north-1", config=config, **keys))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_s3_objects_are_put_and_got(lab: Lab) -> None:
    def scenario(base: str) -> Any:
        with _s3(base) as s3:
            put = s3.put_object(Bucket="bucket", Key="name", Body=TEXT * 100)  # expects 100-continue
            got = s3.get_object(Bucket="bucket", Key="name")
            return put["ETag"], got["Body"].read(), got["ResponseMetadata"]["HTTPStatusCode"]

    assert lab.conform(scenario)[1] == TEXT


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_upload_that_is_refused_before_it_is_sent_is_refused_again(lab: Lab) -> None:
    def scenario(base: str) -> Any:
        with _s3(base) as s3, pytest.raises(Exception, match="AccessDenied") as caught:
            s3.put_object(Bucket="bucket", Key="forbidden", Body=TEXT * 100)
        return str(caught.value)

    lab.conform(scenario)


def test_httplib2_keeps_connections_from_before(lab: Lab) -> None:
    httplib2 = import_module("httplib2")
    with closing(httplib2.Http()) as http:
        http.request(f"{lab.server.base}/text")

        def scenario(base: str) -> Any:
            found = []
            for path in ("/json", "/gzip", "/deflate", "/chunked", "/redirect/2", "/cookies"):
                response, content = http.request(base + path)
                found.append((response.status, response.reason, sorted(response.items()), content))
            return found

        lab.conform(scenario)
        with cassette(ID):
            assert http.request(f"{lab.server.base}/json")[0].status == 200
