"""Write dashboards/singleshot.json."""

import json
from pathlib import Path

from . import dashboard

OUT = Path(__file__).parents[1] / "dashboards" / "singleshot.json"

if __name__ == "__main__":
    OUT.write_text(json.dumps(dashboard(), indent=2) + "\n")
