"""What the README and the quickstart tell a reader to type works, in that order, and shows what they say it shows."""

import re
from pathlib import Path

import pytest

from demo.reference import compute
from deploy.local.state import ROOT
from tests.docs.blocks import Block, blocks
from tests.docs.session import run

QUICKSTART = ROOT / "docs" / "quickstart.md"


@pytest.mark.parametrize(
    ("document", "fewest"), [(ROOT / "README.md", 8), (QUICKSTART, 8)], ids=["readme", "quickstart"]
)
def test_what_a_reader_is_told_to_type_works_and_shows_what_is_said(document: Path, fewest: int, home: Path) -> None:
    found = blocks(document)
    assert len(found) >= fewest
    for block, output in zip(found, run(found, home), strict=True):
        assert block.accepts(output), f"line {block.line} of {document.name} shows\n{block.shown}\nand got\n{output}"


def test_the_figures_that_the_quickstart_shows_are_those_of_the_reference() -> None:
    reference = compute()
    totals, sums = reference.totals, reference.campaign_sums
    wanted = {
        "customers": totals.households,
        "orders": totals.baskets,
        "shops": totals.stores,
        "sales": totals.sales_cents,
        "redemptions": sums.redemptions,
        "coupons redeemed": sums.redeemed_pairs,
    }
    shown = re.findall(r"^([a-z ]+?) +(\d+) +(\d+) +equal$", QUICKSTART.read_text(), re.MULTILINE)
    assert {name: (int(found), int(right)) for name, found, right in shown} == {
        name: (value, value) for name, value in wanted.items()
    }


def test_a_planted_output_is_seen() -> None:
    block = Block("python", "", 1, shown="{'id': '…', 'status': 'active'}")
    assert block.accepts("{'id': 'cmp_1', 'status': 'active'}\n")
    assert not block.accepts("{'id': 'cmp_1', 'status': 'draft'}\n")
    assert not block.accepts("")


def test_a_planted_command_that_fails_is_seen(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="the block of line 7 failed"):
        run([Block("sh", "echo fine\n", 3), Block("sh", "x=$(false | cat)\n", 7), Block("sh", "echo\n", 9)], tmp_path)
    with pytest.raises(AssertionError, match="NameError"):
        run([Block("python", "print(nothing)", 1)], tmp_path)
