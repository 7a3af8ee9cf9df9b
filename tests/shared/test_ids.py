"""Derived ids: the same for the same key, never for another."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from shared.ids import Ids

IDS = Ids("a secret of at least sixteen characters")
parts = st.lists(st.text(), min_size=1, max_size=3)


@given(parts, parts)
def test_one_key_is_one_id_and_two_keys_are_two(one: list[str], other: list[str]) -> None:
    assert (IDS.derive("cus", *one) == IDS.derive("cus", *other)) == (one == other)


def test_another_secret_gives_other_ids_and_codes() -> None:
    other = Ids("another secret, as long as it must be")
    assert IDS.derive("cus", "a") != other.derive("cus", "a")
    assert IDS.code("a") != other.code("a")


@given(st.text(), st.integers(0, 14), st.sampled_from("23456789ABCDEFGHJKMNPQRSTVWXYZ"))
def test_a_mistyped_character_never_makes_another_sound_code(key: str, place: int, character: str) -> None:
    code = IDS.code(key)
    typed = code[:place] + character + code[place + 1 :]
    assert (typed == code) or not Ids.code_is_sound(typed)
    assert Ids.code_is_sound(code)


def test_shares_are_spread_evenly() -> None:
    tenths = Counter(int(IDS.share("holdout", "cmp", f"cus{number}") * 10) for number in range(20_000))
    assert all(1_800 < count < 2_200 for count in tenths.values())
