"""The doors: who may pass, what is refused, and that every figure is defined."""

from typing import Any

from services.metrics.domain.definitions import DEFINITIONS
from services.metrics.domain.periods import zones
from tests.metrics.conftest import Desk
from tests.metrics.telling import campaign, day, decided, issued, paid, redeemed, refused, staged, visited, withheld
from tests.support.doing import rows

PATHS = [
    "/v1/campaigns/c1/metrics",
    "/v1/metrics/campaigns",
    "/v1/metrics/channels",
    "/v1/metrics/sales",
    "/v1/metrics/stages",
    "/v1/metrics/overview",
    "/v1/metrics/definitions",
]
# What an answer says besides figures.
WORDS = {
    "at",
    "campaign_id",
    "name",
    "status",
    "goal",
    "channel",
    "attribution_days",
    "currency",
    "starts_on",
    "by",
    "zone",
}
# Lists repeat the figures of their parent, for a part of it.
PARTS = {"by_channel", "other_currencies", "data"}


def figures_of(answer: Any, path: tuple[str, ...] = ()) -> set[str]:
    """The names of all figures in an answer: a rate, an amount and a plain number is one figure each."""
    if isinstance(answer, list):
        return {name for each in answer for name in figures_of(each, path)}
    if (
        not isinstance(answer, dict)
        or "numerator" in answer
        or "amount" in answer
        or set(answer) == {"value", "customers"}
    ):
        return {".".join(path)}
    if path in {("suppressed",), ("counts",), ("campaigns", "by_status")}:
        return {".".join(path)}
    names: set[str] = set()
    for key, value in answer.items():
        if path == ("recall", "suppressed_by_reason"):
            names |= {".".join((*path, form)) for form in value}
        elif key in PARTS:
            names |= figures_of(value, ())
        elif key not in WORDS:
            names |= figures_of(value, (*path, key))
    return names - {""}


async def tell_everything(desk: Desk) -> None:
    await desk.hear(
        *[campaign(), decided("a"), issued("a"), paid("o1", day(1)), redeemed("r1", "o1", "a"), visited(day(1))],
        *[decided("b", customer="ben"), refused("b", customer="ben"), staged("new", day(1))],
        *[decided("c", customer="cleo", arm="held_out"), withheld("c", customer="cleo")],
        *[paid("o2", day(1), currency="EUR"), redeemed("r2", "o2", "a", currency="EUR")],
    )


async def test_every_figure_has_a_definition(desk: Desk) -> None:
    await tell_everything(desk)
    for path in PATHS[:-1]:
        answer = await desk.get(path)
        found = figures_of({key: value for key, value in answer.items() if key not in {"has_more", "next_cursor"}})
        assert found, path
        assert found <= set(DEFINITIONS), (path, found - set(DEFINITIONS))


async def test_every_definition_is_of_a_figure(desk: Desk) -> None:
    await tell_everything(desk)
    found: set[str] = set()
    for path in PATHS[:-1]:
        found |= figures_of(await desk.get(path))
    assert set(DEFINITIONS) <= found


async def test_every_definition_says_where_it_comes_from(desk: Desk) -> None:
    answer = await desk.get("/v1/metrics/definitions")
    assert set(answer) == set(DEFINITIONS)
    assert all(each["row"] and each["definition"].endswith(".") and each["unit"] for each in answer.values())


async def test_an_unknown_campaign_is_not_found(desk: Desk) -> None:
    answer = await desk.http.get("/v1/campaigns/nobody/metrics")
    assert (answer.status_code, answer.json()["code"]) == (404, "campaign-not-found")


NONSENSE = [
    ("zone=Mars/Olympus", "/zone", "zone-unknown"),
    ("zone=america/new_york", "/zone", "zone-unknown"),
    ("zone=../../etc/passwd", "/zone", "zone-unknown"),
    ("zone=UTC%00", "/zone", "zone-unknown"),
    ("zone=%ED%A0%80", "/zone", "zone-unknown"),
    ("zone=", "/zone", "zone-unknown"),
    (f"zone={'x' * 65}", "/zone", "string-too-long"),
    ("by=hour", "/by", "literal-error"),
    ("from=yesterday", "/from", "value-error"),
    ("from=2017-01-01T00:00:00", "/from", "timezone-aware"),
    ("to=1e99", "/to", "value-error"),
    ("from=2017-01-02T00:00:00Z&to=2017-01-02T00:00:00Z", "/to", "range-invalid"),
]


async def test_a_question_that_makes_no_sense_is_refused_with_its_field(desk: Desk) -> None:
    for query, pointer, code in NONSENSE:
        answer = await desk.http.get(f"/v1/metrics/sales?{query}")
        error = answer.json()["errors"][0]
        assert (answer.status_code, error["pointer"], error["code"]) == (422, pointer, code), query


BROKEN = [
    ("/v1/campaigns/%00/metrics", 422),
    # Bytes that are no UTF-8 arrive as the replacement character.
    ("/v1/campaigns/%ED%A0%80/metrics", 404),
    (f"/v1/campaigns/{'x' * 5000}/metrics", 404),
    ("/v1/metrics/stages?model=%00", 422),
    ("/v1/metrics/stages?model=%ED%A0%80", 200),
    ("/v1/metrics/campaigns?cursor=%00", 422),
    ("/v1/metrics/campaigns?cursor=bm8", 422),
    ("/v1/metrics/campaigns?cursor=WzFd", 422),
    ("/v1/metrics/channels?cursor=WzFd", 422),
    ("/v1/metrics/campaigns?limit=0", 422),
    ("/v1/metrics/campaigns?limit=999999999999999999999", 422),
]


async def test_broken_input_is_the_callers_error(desk: Desk) -> None:
    found = [(path, (await desk.http.get(path)).status_code) for path, _ in BROKEN]
    assert found == BROKEN


async def test_zones_of_the_world_are_known_to_the_database_too(desk: Desk) -> None:
    found = await rows(
        desk.database, "SELECT now() AT TIME ZONE name AS local FROM unnest($1::text[]) AS name", list(zones())
    )
    assert len(found) == len(zones()) > 400


async def test_figures_are_for_keys_that_may_read_them(desk: Desk) -> None:
    stranger = await desk.client(scopes=["coupons:read"])
    for path in PATHS:
        answer = await stranger.get(path)
        assert (answer.status_code, answer.json()["code"]) == (403, "scope-missing"), path


async def test_a_key_of_a_shop_reads_only_what_is_one_shops(desk: Desk) -> None:
    await desk.hear(campaign())
    http = await desk.client(shop_id="s1")
    open_to_shops = [path for path in PATHS if (await http.get(path)).status_code == 200]
    assert open_to_shops == ["/v1/metrics/sales", "/v1/metrics/definitions"]
