"""`python -m demo.reference`: prints all reference figures as JSON, for people and for scripts."""

import json
import sys

from demo.reference import compute

if __name__ == "__main__":
    json.dump(compute().as_dict(), sys.stdout, indent=2)
    sys.stdout.write("\n")
