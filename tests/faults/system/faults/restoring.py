"""A service's database as it was days ago, while Kafka has kept its log (reliability.md 27).

The copy is taken when no coupon will be used before it is put back: what came over HTTP is not in the log. Positions
heal the service; those who were ahead of it are told everything anew.
"""

import asyncio
import subprocess

import asyncpg

from deploy.local import postgres
from deploy.local.names import SERVICES
from tests.faults.system.ground import Ground
from tests.faults.system.shop import OPEN_DAYS
from tools.asking import database_of


async def restored(ground: Ground) -> str:
    """Its HTTP process, worker and relay are down meanwhile."""
    services = ground.dice.sample(SERVICES, 2)
    ground.release(OPEN_DAYS)
    await ground.until_passed(OPEN_DAYS)
    ground.release(1)
    copies = {service: await _dump(ground, service) for service in services}
    await ground.until_passed(OPEN_DAYS + 1)
    ground.release(1)
    await asyncio.sleep(ground.a_moment())
    moved = [f"{service} ({await _put_back(ground, service, copies[service])} records)" for service in services]
    await ground.until_passed(OPEN_DAYS + 2)
    for service in services:
        if service != "metrics":  # it tells nothing
            await ground.command("retell", service)
    return f"put back {' and '.join(moved)}, and told anew"


async def _dump(ground: Ground, service: str) -> bytes:
    url = database_of(ground.stack, service)
    return await asyncio.to_thread(subprocess.check_output, [_program("pg_dump"), "--format=custom", url])


async def _put_back(ground: Ground, service: str, copy: bytes) -> int:
    """How many records it has forgotten."""
    names = (service, f"{service}-worker")
    await ground.platform.stop(*names)
    before = await _read(ground, service)
    admin = await asyncpg.connect(ground.stack.admin_url)
    try:
        await admin.execute(f"DROP DATABASE {service} WITH (FORCE)")
        await admin.execute(f"CREATE DATABASE {service} OWNER {service}")
        await admin.execute(f"REVOKE ALL ON DATABASE {service} FROM PUBLIC")
    finally:
        await admin.close()
    argv = [_program("pg_restore"), "--no-owner", "--exit-on-error", f"--dbname={database_of(ground.stack, service)}"]
    await asyncio.to_thread(subprocess.run, argv, input=copy, check=True)
    forgotten = before - await _read(ground, service)
    assert forgotten > 0, f"the copy of {service} is as new as what it replaced"
    ground.platform.down.difference_update(names)
    return forgotten


async def _read(ground: Ground, service: str) -> int:
    connection = await asyncpg.connect(database_of(ground.stack, service))
    try:
        return int(await connection.fetchval("SELECT sum(next_offset) FROM inbox"))
    finally:
        await connection.close()


def _program(name: str) -> str:
    return str(postgres.program(name))
