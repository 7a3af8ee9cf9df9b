"""Ports for stacks of their own."""

from pathlib import Path

import pytest

from deploy.local.ports import choose_free, is_free

GIVEN = Path("/proc/sys/net/ipv4/ip_local_port_range")


def test_free_ports_are_free_and_none_is_given_twice() -> None:
    found = choose_free(300)
    assert len(set(found)) == 300
    assert all(map(is_free, found))


@pytest.mark.skipif(not GIVEN.exists(), reason="only Linux says which ports it gives to callers")
def test_a_free_port_is_none_that_the_system_gives_to_who_calls_out() -> None:
    """Else a server that is down for a moment finds its port taken."""
    first, last = map(int, GIVEN.read_text().split())
    assert not set(choose_free(300)) & set(range(first, last + 1))
