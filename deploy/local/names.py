"""The processes of the stack and the port each of them has unless told otherwise."""

# Each listens to those before it, so who comes last is the last to know.
SERVICES = ("profile", "segmentation", "targeting", "coupons", "metrics")
SERVERS = ("kafka", "postgres")
PROCESSES = SERVERS + tuple(name + role for name in SERVICES for role in ("", "-worker"))

PARTITIONS = 4  # of every topic; grown later by `comeback`, never shrunk

PORTS = {
    "kafka": 19092,
    "kafka-controller": 19093,
    "postgres": 15432,
    **{name: 18001 + index for index, name in enumerate(SERVICES)},
    **{f"{name}-worker": 18011 + index for index, name in enumerate(SERVICES)},  # its metrics
}


def ports_of(process: str) -> list[str]:
    """The names of the ports that a process listens on: its own, and those called after it that are no other's."""
    further = [name for name in PORTS if name.startswith(process + "-") and name not in PROCESSES]
    return [name for name in PORTS if name == process or name in further]
