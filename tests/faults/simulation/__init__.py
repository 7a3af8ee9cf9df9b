"""The runtime's real code against a fake log and a fake database, driven by a seeded scheduler in virtual time.

Real: shared.worker, buffers, inbox, outbox, timekeeper, consuming, parked, the event codec, and shared.kafka above its
client. Fake: aiokafka's two clients (log.py), what `shared.database` does over a connection (database.py), the two
services (services.py), and time (loop.py). world.py runs a seed: processes, faults, and what must be true at the end.
"""
