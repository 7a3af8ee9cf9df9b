"""Storefronts to run Comeback against. They use the public doors only: Kafka's contracts and HTTP."""
