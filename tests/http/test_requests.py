"""Every service's requests.http answers as its comments say, and leaves out no operation of the service."""

from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from deploy.local.names import SERVICES
from deploy.local.state import ROOT
from tests.http import requests_file
from tests.http.conftest import System
from tests.http.requests_file import Run, holds
from tests.support.documented import Documented
from tools.contracts.openapi import openapi

# Those whose files need the least of the others come first: whoever reads the output sees where it begins to fail.
FILES = {service: requests_file.read(ROOT / "services" / service / "requests.http") for service in SERVICES}


@pytest.mark.parametrize("service", SERVICES)
def test_every_request_is_answered_as_its_comment_says(service: str, system: System) -> None:
    documents = {system.url(each): Documented(openapi(each)) for each in SERVICES}

    def seen(answer: httpx.Response) -> None:
        url = urlsplit(str(answer.request.url))
        document = documents[f"{url.scheme}://{url.netloc}"]
        assert document.problem_with(answer.request.method, url.path, answer) is None

    Run(FILES[service], system.environment, seen).all()


@pytest.mark.parametrize("service", SERVICES)
def test_no_operation_of_a_service_is_left_out_of_its_file(service: str) -> None:
    document = Documented(openapi(service))
    asked: set[str] = set()
    for entry in FILES[service].entries:
        method, url = entry.text.splitlines()[0].split(" ", 1)
        if url.startswith("{{" + service + "}}"):
            path = urlsplit(requests_file.USE.sub("x", url.partition("}}")[2])).path
            operation = document.operation(method, path)
            assert operation is not None, f"{method} {path}"
            asked.add(operation["operationId"])
    declared = {each["operationId"] for of in openapi(service)["paths"].values() for each in of.values()}
    assert declared - asked == set()


def test_a_request_without_an_expected_answer_is_not_taken(tmp_path: Path) -> None:
    path = tmp_path / "requests.http"
    path.write_text("@a = 1\n\n### What is asked\nGET {{a}}\n")
    with pytest.raises(ValueError, match="does not say what it is answered with"):
        requests_file.read(path)


def test_a_part_holds_only_of_what_has_all_of_it() -> None:
    whole = {"a": 1, "b": [{"c": 2, "d": None}, {"c": 3}], "e": True}
    for part in ({}, {"a": 1}, {"b": [{"c": 3}]}, {"b": [{"c": 3}, {"c": 2, "d": None}]}, {"e": True}):
        assert holds(part, whole), part
    for part in (
        {"x": None},
        {"a": 2},
        {"b": []},
        {"b": [{"c": 4}]},
        {"b": [{"c": 3, "d": None}]},
        {"e": 1},
        {"a": True},
    ):
        assert not holds(part, whole), part
