"""The whole system on a machine that has only Python: a real Kafka, a real PostgreSQL, ten service processes."""
