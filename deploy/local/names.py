"""The processes of the stack and the port each of them has unless told otherwise."""

SERVICES = ("profile", "segmentation", "targeting", "coupons", "metrics")
SERVERS = ("kafka", "postgres")
PROCESSES = SERVERS + tuple(name + role for name in SERVICES for role in ("", "-worker"))

PARTITIONS = 4  # of every topic; grown later by `comeback`, never shrunk

PORTS = {
    "kafka": 19092,
    "kafka-controller": 19093,
    "postgres": 15432,
    **{name: 18001 + index for index, name in enumerate(SERVICES)},
}


def ports_of(process: str) -> list[str]:
    """The names of the ports that a process listens on; a worker has none."""
    return [name for name in PORTS if name == process or name.startswith(process + "-")]
