"""How the system runs: on one machine without Docker (`local`)."""
