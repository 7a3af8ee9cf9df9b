"""Callers who mean no good, by raw sockets where a client would be too polite: rows 49, 70 and 71 of the fault list."""

import asyncio
import gzip
import json
import re
import zlib
from collections import Counter

import httpx
import pytest

from shared.http.arriving import HEAD_BYTES, WITHIN_SECONDS
from tests.faults.ingest.conftest import MIB, Profile

POST = b"POST /v1/batch HTTP/1.1\r\nHost: x\r\n"


def statuses(answer: bytes) -> list[int]:
    return [int(found) for found in re.findall(rb"HTTP/1\.1 (\d{3})", answer)]


def authorized(profile: Profile, *lines: str, head: bytes = POST) -> bytes:
    told = [f"Authorization: {profile.headers['Authorization']}", *lines]
    return head + "".join(f"{line}\r\n" for line in told).encode()


async def test_who_sends_slowly_is_cut_off_and_holds_up_nobody(profile: Profile) -> None:
    """Row 49: before the first byte, in the head and in the body"""
    wait = WITHIN_SECONDS + 5
    body = authorized(profile, "Content-Length: 400000") + b"\r\n"
    beginnings = {"nothing": (b"", b""), "head": (POST, b"X-A: b\r\n"), "body": (body, b"x")}

    async def drip(beginning: bytes, more: bytes) -> bytes:
        return await profile.raw(beginning, *[more] * int(wait), pause=1, wait=wait)

    async with profile.watched() as grown, asyncio.TaskGroup() as group:
        slow = {name: [group.create_task(drip(*each)) for _ in range(100)] for name, each in beginnings.items()}
        await asyncio.sleep(5)
        assert max([await profile.is_well() for _ in range(10)]) < 2
    answers = {name: {tuple(statuses(task.result())) for task in tasks} for name, tasks in slow.items()}
    assert answers == {"nothing": {()}, "head": {(408,)}, "body": {(408,)}}
    assert max(grown) < 50 * MIB


async def test_a_gzip_bomb_is_stopped_at_the_limit_and_memory_stays(profile: Profile) -> None:
    """Row 49: 450 KB that would be 450 MB, forty at a time; and 10 MB that would be 10 GB"""
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(b" " * 10_000_000) for _ in range(45)) + packer.flush()
    assert 400_000 < len(bomb) < 500_000
    headers = profile.headers | {"Content-Encoding": "gzip"}
    limits = httpx.Limits(max_connections=40)
    async with (
        profile.watched() as grown,
        httpx.AsyncClient(headers=headers, base_url=profile.url, limits=limits, timeout=60) as http,
    ):
        answers = await asyncio.gather(*(http.post("/v1/batch", content=bomb) for _ in range(40)))
        larger = await http.post("/v1/batch", content=bomb * 22)
    refused = Counter((answer.status_code, answer.json()["code"]) for answer in answers)
    assert refused.keys() <= {(413, "body-too-large"), (429, "back-pressure")}
    assert refused[413, "body-too-large"] > 0
    assert (larger.status_code, larger.json()["code"]) == (413, "body-too-large")
    assert max(grown) < 50 * MIB, f"{max(grown) / MIB:.0f} MiB"


async def test_a_body_or_a_head_without_end_is_refused_and_memory_stays(profile: Profile) -> None:
    """Row 49"""
    piece = b"10000\r\n" + b" " * 65_536 + b"\r\n"
    endless = {
        "declared": (authorized(profile, "Content-Length: 10000000000") + b"\r\n", [b" " * 65_536] * 200, 413),
        "chunked": (authorized(profile, "Transfer-Encoding: chunked") + b"\r\n", [piece] * 200, 413),
        "head": (POST, [b"X-A: " + b"b" * 1_000 + b"\r\n"] * (HEAD_BYTES // 1_000 + 2), 431),
        "path": (b"POST /", [b"a" * 1_000] * (HEAD_BYTES // 1_000 + 2), 431),
    }
    async with profile.watched() as grown:
        for name, (beginning, pieces, status) in endless.items():
            answers = await asyncio.gather(*(profile.raw(beginning, *pieces, wait=3) for _ in range(20)))
            assert {tuple(statuses(answer)) for answer in answers} <= {(status,), ()}, name
            assert any(statuses(answer) for answer in answers), name
    assert max(grown) < 50 * MIB, f"{max(grown) / MIB:.0f} MiB"
    assert await profile.is_well() < 2


SMUGGLED = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
TWO_IN_ONE = {
    "length and chunks": ("Content-Length: 5", "Transfer-Encoding: chunked"),
    "two lengths": ("Content-Length: 5", "Content-Length: 43"),
    "two lengths in one": ("Content-Length: 5, 43",),
    "a signed length": ("Content-Length: +5",),
    "a length in hex": ("Content-Length: 0x5",),
    "chunks, obscured": ("Transfer-Encoding: xchunked", "Content-Length: 5"),
    "chunks, and something else behind": ("Transfer-Encoding: chunked, identity",),
    "a space before the colon": ("Content-Length : 5",),
    "a folded line": ("X-A: b\r\n Content-Length: 5",),
    "a line that ends early": ("X-A: b\rContent-Length: 5",),
}


@pytest.mark.parametrize("name", TWO_IN_ONE)
async def test_nobody_smuggles_a_second_request_past_the_first(profile: Profile, name: str) -> None:
    """Row 71: a proxy in front of us might read it otherwise; what can be read in two ways is read in none"""
    request = authorized(profile, *TWO_IN_ONE[name]) + b"\r\n" + b"0\r\n\r\n" + SMUGGLED
    found = statuses(await profile.raw(request, wait=2))
    assert found
    assert all(400 <= status < 500 for status in found), found


PATHS = (
    "/v1/customers/..%2f..%2fhealth%2fready",
    "/v1/customers/%2e%2e%2fbatch",
    "/v1/customers/%252e%252e%252fbatch",
    "/v1/customers/cus_x%00",
    "/v1/customers/%ff%fe",
    "/v1/customers/cus_x%0d%0aX-Injected:%20yes",
    "/docs/assets/..%2f..%2f..%2f..%2fetc%2fpasswd",
    "/docs/assets/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
    "/docs/assets/....//....//etc/passwd",
    "//v1/customers",
    "/v1//customers/x",
    "/v1/customers;x=y",
    "http://elsewhere.example/v1/customers/x",
)


@pytest.mark.parametrize("path", PATHS)
async def test_a_path_leads_nowhere_it_should_not(profile: Profile, path: str) -> None:
    """Row 71"""
    head = authorized(profile, head=f"GET {path} HTTP/1.1\r\nHost: x\r\n".encode())
    answer = await profile.raw(head + b"Connection: close\r\n\r\n", wait=3)
    [status] = statuses(answer)
    assert 400 <= status < 500, answer
    assert b"root:" not in answer
    assert b"\r\nX-Injected" not in answer


@pytest.mark.parametrize("target", ["*", "CONNECT", "elsewhere.example:443"])
async def test_a_request_for_what_is_no_path_is_refused(profile: Profile, target: str) -> None:
    """Row 71"""
    method = "OPTIONS" if target == "*" else "CONNECT"
    found = statuses(await profile.raw(f"{method} {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode(), wait=2))
    assert all(400 <= status < 500 for status in found), found
    assert await profile.is_well() < 2


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "multipart/form-data; boundary=x", "", "x" * 9_000])
async def test_whatever_a_body_is_called_it_is_read_as_json_or_refused(profile: Profile, kind: str) -> None:
    """Row 71"""
    async with httpx.AsyncClient(headers=profile.headers | {"Content-Type": kind}, base_url=profile.url) as http:
        assert (await http.post("/v1/page", content=b'{"userId": "anna"}')).status_code == 200
        assert (await http.post("/v1/page", content=b"<page/>")).json()["code"] == "malformed"


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "zstd"])
async def test_a_body_that_is_packed_otherwise_is_refused_by_name(profile: Profile, encoding: str) -> None:
    """Row 71"""
    async with httpx.AsyncClient(headers=profile.headers, base_url=profile.url) as http:
        answer = await http.post("/v1/page", content=b'{"userId": "anna"}', headers={"Content-Encoding": encoding})
        assert (answer.status_code, answer.json()["code"]) == (422, "encoding-unknown")
        packed = gzip.compress(b'{"userId": "anna"}')
        for broken in (packed[:-4], packed + b"x", packed + packed, b"no gzip"):
            answer = await http.post("/v1/page", content=broken, headers={"Content-Encoding": "GZip"})
            assert (answer.status_code, answer.json()["code"]) == (422, "gzip-invalid")


async def test_nobody_writes_lines_of_their_own_into_the_log_or_the_answer(profile: Profile) -> None:
    """Row 70: line ends and colours of a terminal, in the path, in ids and in a key"""
    begun = len(profile.log())
    forged = '\r\n{"event":"forged"}\x1b[31m'
    async with httpx.AsyncClient(base_url=profile.url) as http:
        for path in ("/v1/%0d%0a%7b%22event%22:%22forged%22%7d%1b[31m", "/v1/x?y=%0d%0aforged"):
            await http.get(path)
        await http.post("/v1/page", json={"userId": forged, "writeKey": f"cbk_live_{forged}_x"})
        answer = await http.post("/v1/page", json={"userId": forged, "type": forged}, headers=profile.headers)
        assert answer.status_code == 200
    lines = profile.log()[begun:]
    assert len([line for line in lines if json.loads(line).get("event") == "request"]) == 4
    assert not [line for line in lines if "\x1b" in line or json.loads(line)["event"] == "forged"]
