"""What befalls which world when: drawn from the seed, so that a seed plays the same again."""

import random

from tests.faults.system.faults import FAULTS

# So many seeds befall one world, which then needs one undisturbed run.
SEEDS_OF_A_WORLD = 5


def world_of(seed: int) -> int:
    return seed // SEEDS_OF_A_WORLD


def order_of(seed: int) -> list[str]:
    """Every fault once, in an order of the seed's own."""
    names = list(FAULTS)
    random.Random(seed).shuffle(names)
    return names
