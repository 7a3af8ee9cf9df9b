"""The crash suite: a seeded shop on the real stack while faults befall it; then its tables are what they would be.

`ground` is the stack and what keeps it alive, `shop` the world that goes through it, `faults` what befalls it, one file
for each kind; `run` plays, waits for rest and compares. `python -m tests.faults.system` runs seed after seed.
"""
