"""The dashboard of Grafana as a table of panels: some hundred lines here give thousands in dashboards/singleshot.json.

`panel` says what a panel is; `traffic`, `latency`, `load`, `models` and `health` hold the rows; `drawing` turns all
into what Grafana reads.

example:
  cd docker/grafana && python -m dashboard    # writes dashboards/singleshot.json
"""

from .drawing import dashboard

__all__ = ["dashboard"]
