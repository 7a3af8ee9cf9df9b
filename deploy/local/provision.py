"""What must be on the servers before the services start: databases, schemas, the development key, topics.

Imported only when needed: alembic and SQLAlchemy take a second to load.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaConnectionError

from deploy.local import databases
from deploy.local.addresses import Addresses
from deploy.local.errors import StackError
from deploy.local.names import PARTITIONS
from deploy.local.state import State
from shared import broker, migrations, topics
from shared.http import keys


async def make_databases(state: State, addresses: Addresses) -> None:
    await databases.ensure(addresses.admin, state.passwords)


def migrate(addresses: Addresses, services: tuple[str, ...]) -> None:
    for service in services:
        migrations.upgrade(service, addresses.database(service))


async def add_development_key(state: State, addresses: Addresses, services: tuple[str, ...]) -> None:
    for service in services:
        await keys.add_key(
            addresses.database(service), secret=state.secret, key=state.api_key, scopes=list(keys.SCOPES), shop_id=None
        )


async def make_topics(addresses: Addresses) -> None:
    with _broker_must_answer(addresses):
        await broker.create_topics(addresses.kafka, PARTITIONS)


async def delete_topics(addresses: Addresses) -> None:
    """For a broker that is not ours."""
    admin = AIOKafkaAdminClient(bootstrap_servers=addresses.kafka)
    with _broker_must_answer(addresses):
        await admin.start()
    try:
        await admin.delete_topics(sorted(set(topics.ALL) & set(await admin.list_topics())))
    finally:
        await admin.close()


@contextmanager
def _broker_must_answer(addresses: Addresses) -> Iterator[None]:
    try:
        yield
    except KafkaConnectionError as error:
        raise StackError(
            f"Kafka does not answer at {addresses.kafka}: if COMEBACK_KAFKA_BOOTSTRAP is set, correct or unset it."
        ) from error
