"""aiokafka's client as we need it: three of its methods are replaced. Each can go when aiokafka does the same."""

from typing import Any

# pyright: reportMissingTypeStubs=false
from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.consumer.fetcher import PartitionRecords
from aiokafka.errors import KafkaConnectionError

from shared.inbox import Record

_Connection: Any = AIOKafkaConnection
_Records: Any = PartitionRecords
_send = _Connection.send


def change_aiokafka() -> None:
    """From now on all clients in this process are as we need them; raises ImportError if aiokafka is made otherwise."""
    ours = ((_Connection, "send", send), (_Records, "_consumer_record", record_of), (_Records, "__iter__", records_of))
    for owner, name, method in ours:
        if not hasattr(owner, name):
            raise ImportError(f"aiokafka's {owner.__name__} has no {name} any more, which shared/client.py replaces")
        setattr(owner, name, method)


def send(connection: Any, request: Any, expect_response: bool = True) -> Any:
    """Sends as ever, also under uvloop, which says RuntimeError of a transport that is gone. Decision 0032."""
    try:
        return _send(connection, request, expect_response)
    except RuntimeError as error:
        connection.close(reason=CloseReason.CONNECTION_BROKEN)
        raise KafkaConnectionError(str(error)) from error


def record_of(_: Any, place: Any, found: Any) -> Record:
    """What was fetched, without checksums and sizes: thousands of them wait in memory, for the collector to pass by."""
    return Record(
        place.topic, place.partition, found.offset, found.key, found.value, tuple(found.headers), found.timestamp
    )


def records_of(fetched: Any) -> Any:
    """What was fetched, from where it is made and not through another call for each."""
    return fetched._records_iterator
