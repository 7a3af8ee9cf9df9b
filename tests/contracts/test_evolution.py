"""What was released stays: in a version of a type only optional fields are added. Each kind of change is planted."""

import json
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import msgspec
import pytest
from jsonschema import Draft202012Validator
from msgspec import Meta
from typer.testing import CliRunner, Result

import tools.contracts
from shared.events import Event, type_of
from shared.events.codec import EVENTS, decode, encode
from shared.events.envelope import Data
from tools.contracts import released as releases
from tools.contracts.evolution import broken_events
from tools.contracts.samples import SAMPLES
from tools.contracts.schemas import event_schema
from tools.main import app

KEPT = releases.kept(tools.contracts.FOLDER)
SCHEMAS = {Path(name).stem: json.loads(text) for name, text in KEPT.items() if name.startswith("events/schemas/")}
EXAMPLES = {Path(name).stem: text.encode() for name, text in KEPT.items() if name.startswith("events/examples/")}
Fields = dict[str, Any]


def test_today_breaks_nothing_of_the_last_release() -> None:
    assert SCHEMAS.keys() == EXAMPLES.keys() != set()
    assert broken_events(SCHEMAS, {type_of(event): event_schema(event) for event in EVENTS}) == []


@pytest.mark.parametrize("name", EXAMPLES)
def test_todays_consumers_read_what_the_last_release_told(name: str) -> None:
    assert type_of(decode(EXAMPLES[name])) == name


@pytest.mark.parametrize("event", EVENTS, ids=type_of)
def test_the_released_schemas_accept_what_is_told_today(event: type[Event]) -> None:
    told = msgspec.json.decode(encode(SAMPLES[event]))
    for schema in filter(None, [SCHEMAS.get(type_of(event)), event_schema(event)]):
        Draft202012Validator.check_schema(schema)
        assert [error.message for error in Draft202012Validator(schema).iter_errors(told)] == []
        assert not Draft202012Validator(schema).is_valid({**told, "specversion": "0.3"})
        assert not Draft202012Validator(schema).is_valid({**told, "data": {}})


# An event as it was released, and the same with one change each.
FIELDS: Fields = {
    "order_id": Annotated[str, Meta(min_length=1, max_length=256)],
    "amount": Annotated[int, Meta(ge=0, le=1_000_000)],
    "arm": Literal["treated", "held_out"],
    "currency": Annotated[str, Meta(pattern="^[A-Z]{3}$")],
    "at": datetime,
    "note": (str | None, None),
    "priority": (int, 10),
    "coupons": (list[Annotated[str, Meta(max_length=50)]], []),
    "versions": (dict[str, int], {}),
}


def released(name: str = "com.comeback.thing.done.v1", fields: Fields = FIELDS, **words: str) -> dict[str, Any]:
    """The schema of an event of this type with these fields; a field with a default is a pair."""
    given = [(each, *value) if isinstance(value, tuple) else (each, value) for each, value in fields.items()]
    data = msgspec.defstruct(words.get("data", "Thing"), given, bases=(Data,), frozen=True, kw_only=True)
    event = msgspec.defstruct(
        words.get("event", "ThingDone"),
        [("data", data)],
        bases=(Event,),
        tag=name,
        frozen=True,
        kw_only=True,
        namespace={"__doc__": words.get("doc", "A thing was done.")},
    )
    return event_schema(cast(type[Event], event))


def without(*names: str) -> Fields:
    return {name: value for name, value in FIELDS.items() if name not in names}


V1, V2, STOREFRONT = "com.comeback.thing.done.v1", "com.comeback.thing.done.v2", "com.comeback.storefront-thing.done.v1"
AT = "/$defs/Thing/properties"
BREAKING = {
    "a field was removed": (without("note"), f"{AT}/note: was removed"),
    "a needed field was removed": (without("amount"), f"{AT}/amount: was removed"),
    "a field was renamed": ({**without("amount"), "total": FIELDS["amount"]}, f"{AT}/amount: was removed"),
    "a field is needed now that was not there": (
        {**FIELDS, "shop_id": str},
        "/$defs/Thing/required: 'shop_id' is required now",
    ),
    "a field is needed now": ({**FIELDS, "priority": int}, "/$defs/Thing/required: 'priority' is required now"),
    "a type was narrowed": ({**FIELDS, "note": (str, "")}, f"{AT}/note: null was accepted and is not any more"),
    "a type is another": ({**FIELDS, "amount": str}, f"{AT}/amount: integer was accepted and is not any more"),
    "a number may not be as small": (
        {**FIELDS, "amount": Annotated[int, Meta(ge=1, le=1_000_000)]},
        f"{AT}/amount: a number beyond the minimum of 1 was accepted and is not any more",
    ),
    "a number may not be as large": (
        {**FIELDS, "amount": Annotated[int, Meta(ge=0, le=1_000)]},
        f"{AT}/amount: a number beyond the maximum of 1000 was accepted and is not any more",
    ),
    "a text may not be as long": (
        {**FIELDS, "order_id": Annotated[str, Meta(min_length=1, max_length=64)]},
        f"{AT}/order_id: what is not maxLength 64 was accepted and is not any more",
    ),
    "a text has another form": (
        {**FIELDS, "currency": Annotated[str, Meta(pattern="^[A-Z]{4}$")]},
        f"{AT}/currency: what is not pattern '^[A-Z]{{4}}$' was accepted and is not any more",
    ),
    "a value is not known any more": (
        {**FIELDS, "arm": Literal["treated"]},
        f"{AT}/arm: 'held_out' was accepted and is not any more",
    ),
    "what is in a list was narrowed": (
        {**FIELDS, "coupons": (list[Annotated[str, Meta(max_length=9)]], [])},
        f"{AT}/coupons/items: what is not maxLength 9 was accepted and is not any more",
    ),
    "what is in a map was narrowed": (
        {**FIELDS, "versions": (dict[str, bool], {})},
        f"{AT}/versions/additionalProperties: integer was accepted and is not any more",
    ),
    "what an absent field means is another": (
        {**FIELDS, "priority": (int, 0)},
        f"{AT}/priority: what is left out was 10 and is something else now",
    ),
}
# These break those who read us, but not those who tell us.
WIDENING = {
    "a value is told that was not known": (
        {**FIELDS, "arm": Literal["treated", "held_out", "suppressed"]},
        f"{AT}/arm: 'suppressed' was never told before",
    ),
    "a text may be longer": (
        {**FIELDS, "order_id": Annotated[str, Meta(min_length=1, max_length=512)]},
        f"{AT}/order_id: what is not maxLength 256 was never told before",
    ),
    "a type was widened": (
        {**FIELDS, "amount": FIELDS["amount"] | None},
        f"{AT}/amount/anyOf/1: null was never told before",
    ),
    "a field may be left out": (
        {**FIELDS, "arm": (Literal["treated", "held_out"], "treated")},
        "/$defs/Thing/required: 'arm' is not always there any more",
    ),
}
ADDITIVE = {
    "nothing": FIELDS,
    "an optional field": {**FIELDS, "channel": (str | None, None)},
    "an optional flag": {**FIELDS, "corrected": (bool, False)},
    "an optional list of things": {**FIELDS, "lines": (list[dict[str, int]], [])},
    "another order of fields": dict(reversed(FIELDS.items())),
}


@pytest.mark.parametrize("change", {**BREAKING, **WIDENING})
def test_a_change_that_is_not_additive_is_named_with_event_field_and_rule(change: str) -> None:
    fields, line = {**BREAKING, **WIDENING}[change]
    assert f"{V1} {line}" in broken_events({V1: released()}, {V1: released(fields=fields)})


@pytest.mark.parametrize("change", ADDITIVE)
def test_what_is_optional_may_be_added(change: str) -> None:
    assert broken_events({V1: released()}, {V1: released(fields=ADDITIVE[change])}) == []


@pytest.mark.parametrize("change", BREAKING)
def test_storefronts_may_go_on_telling_what_they_told(change: str) -> None:
    fields, line = BREAKING[change]
    found = broken_events({STOREFRONT: released(STOREFRONT)}, {STOREFRONT: released(STOREFRONT, fields)})
    assert f"{STOREFRONT} {line}" in found


@pytest.mark.parametrize("change", WIDENING)
def test_storefronts_may_be_allowed_more_than_before(change: str) -> None:
    fields, _ = WIDENING[change]
    assert broken_events({STOREFRONT: released(STOREFRONT)}, {STOREFRONT: released(STOREFRONT, fields)}) == []


def test_names_of_classes_and_words_may_change() -> None:
    reworded = released(data="Something", event="SomethingWasDone", doc="Somebody did a thing.")
    assert broken_events({V1: released()}, {V1: reworded}) == []


def test_new_types_may_come() -> None:
    assert broken_events({V1: released()}, {V1: released(), "com.comeback.thing.undone.v1": released()}) == []


def test_a_type_that_was_removed_is_named() -> None:
    [line] = broken_events({V1: released()}, {})
    assert line.startswith(f"{V1} /: was removed")


@pytest.mark.parametrize("change", BREAKING)
def test_anything_may_change_in_a_higher_version_beside_the_released_one(change: str) -> None:
    fields, _ = BREAKING[change]
    assert broken_events({V1: released()}, {V1: released(), V2: released(V2, fields)}) == []


def test_an_old_version_goes_a_release_after_its_successor_came() -> None:
    """What was told before the successor may still be in the log when readers are exchanged."""
    [line] = broken_events({V1: released()}, {V2: released(V2)})
    assert line.startswith(V1)
    assert broken_events({V1: released(), V2: released(V2)}, {V2: released(V2)}) == []
    [line] = broken_events({V1: released(), V2: released(V2)}, {V1: released()})
    assert line.startswith(V2)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Another docs/contracts, in which today's events are released."""
    monkeypatch.setattr(tools.contracts, "FOLDER", tmp_path)
    assert run().exit_code == 0
    assert run("--release").exit_code == 0
    return tmp_path / releases.FOLDER


def run(*options: str) -> Result:
    return CliRunner().invoke(app, ["contracts", *options])


PAID = "events/schemas/com.comeback.order.paid.v1.json"


def plant(folder: Path, old: str, new: str) -> str:
    """In the last release paid orders had another schema; its text."""
    text = (folder / PAID).read_text()
    assert old in text
    (folder / PAID).write_text(text.replace(old, new))
    return (folder / PAID).read_text()


def test_the_command_refuses_what_breaks_the_last_release(folder: Path) -> None:
    there = plant(folder, '"amount": {', '"gross": {')
    for option in ("--check-breaking", "--release"):
        refused = run(option)
        assert refused.exit_code == 1
        said = refused.stderr.replace("\n", " ")
        assert "com.comeback.order.paid.v1 /$defs/OrderState/properties/gross: was removed" in said
        assert (folder / PAID).read_text() == there


def test_what_nobody_has_yet_is_released_again_when_told_so(folder: Path) -> None:
    plant(folder, '"amount": {', '"gross": {')
    left = folder / "events/examples/com.comeback.gone.v1.json"
    left.write_text("{}")
    assert run("--release", "--again").exit_code == 0
    assert not left.exists()
    assert '"gross"' not in (folder / PAID).read_text()
    assert run("--check-breaking").exit_code == 0


def test_only_a_release_touches_what_is_released(folder: Path) -> None:
    there = plant(folder, '"An order was paid', '"Long ago an order was paid')
    assert run().exit_code == run("--check").exit_code == run("--check-breaking").exit_code == 0
    assert (folder / PAID).read_text() == there
    assert run("--release").exit_code == 0
    assert (folder / PAID).read_text() != there
