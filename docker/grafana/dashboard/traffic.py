"""The rows Now and Traffic: is the service well, and how do its requests end?"""

from .panel import CHOSEN, DETECT, REPLICA, UP, Panel, Row, quantile, rate

MISSED = "window:singleshot_missed_objective:ratio"
# The sum over 30 days begins some minutes after the start of Prometheus.
BUDGET_LEFT = f'1 - ({MISSED}{{window="30d"}} or on () {MISSED}{{window="1h"}}) / 0.01'

NOW: Row = (
    "Now",
    (
        Panel(
            "In time, last hour",
            "percentunit",
            (("in time", f'1 - {MISSED}{{window="1h"}}'),),
            "Share of all requests that were answered in time; the objective is 99 %. Below it: row Traffic says how "
            "the others ended.",
            kind="stat",
            steps=(("red", None), ("orange", 0.98), ("green", 0.99)),
            width=4,
            height=5,
        ),
        Panel(
            "Error budget left of 30 days",
            "percentunit",
            (("left", BUDGET_LEFT),),
            "100 %: each request was in time. 0 %: 1 % of the requests were not. Below 25 %: change nothing that is "
            "risky; negative: the objective of these 30 days is missed.",
            kind="stat",
            steps=(("red", None), ("orange", 0), ("green", 0.25)),
            width=4,
            height=5,
        ),
        Panel(
            "p99",
            "s",
            (("p99", quantile(0.99, "singleshot_request_duration_seconds", f'{DETECT}, code="200"')),),
            "99 % of the answers took less. Above the clients' time limit: row Latency says which stage grew.",
            kind="stat",
            steps=(("green", None), ("orange", 0.5), ("red", 1)),
            width=4,
            height=5,
        ),
        Panel(
            "Requests",
            "reqps",
            (("requests", f"sum({rate('singleshot_detect_requests_total', CHOSEN)})"),),
            "All detect requests. None while clients send some: look at the proxy and at DNS.",
            kind="stat",
            steps=(("text", None),),
            width=4,
            height=5,
        ),
        Panel(
            "Replicas",
            "short",
            (
                ("not ready", f"count({UP}) - (sum(singleshot_ready) or 0 * count({UP}))"),
                ("present", f"count({UP})"),
            ),
            "A replica that is not ready gets no requests: GET /readyz of it says why (row Health shows which).",
            kind="stat",
            steps=(("green", None), ("red", 1)),
            plain=("present",),
            width=4,
            height=5,
        ),
        Panel(
            "Bundles with a fault",
            "short",
            (("bundles", f"count(count by (bundle) (singleshot_bundle_fault == 1)) or 0 * count({UP})"),),
            "A bundle's directory is missing, or what it holds is refused, and something older is served: GET /readyz "
            "says which and why.",
            kind="stat",
            steps=(("green", None), ("orange", 1)),
            width=4,
            height=5,
        ),
    ),
)

TRAFFIC: Row = (
    "Traffic",
    (
        Panel(
            "Requests by outcome",
            "reqps",
            (("{{outcome}}", f"sum by (outcome) ({rate('singleshot_detect_requests_total', CHOSEN)})"),),
            "slow: row Latency. refused, expired: too little capacity, add replicas (panel Rejections). failed: the "
            "engine failed, read the log. gave_up: the client left before its answer. client_error: bad requests, "
            "missing keys, clients over their limit.",
            is_stacked=True,
        ),
        Panel(
            "Requests by answer",
            "reqps",
            (("{{code}}", f"sum by (code) ({rate('singleshot_request_duration_seconds_count', DETECT)})"),),
            "503: too little capacity, add replicas. 500: the engine failed, read the log. 504: answers come too late, "
            "look at the latency. 4xx: clients' errors; 429: a client is over its limit; 401: a key is missing or "
            "wrong; 499: the client left.",
            is_stacked=True,
        ),
        Panel(
            "Rejections by reason",
            "reqps",
            (("{{reason}}", f"sum by (reason) ({rate('singleshot_rejected_total', CHOSEN)})"),),
            "late: the answer would have missed its objective. busy: the event loop gets more requests than it can "
            "read. queue_full, requests: more at once than MAX_QUEUE or MAX_REQUESTS. expired: accepted, but not done "
            "before the deadline. pixels, memory: too many pixels in decoding (MAX_PIXELS_IN_FLIGHT), or bytes of "
            "bodies (MAX_BODY_BYTES_IN_FLIGHT). drawings: too many pictures of format=image. closing: for a replaced "
            "model. For all of these, add replicas; for late, OBJECTIVE_SECONDS may also be longer. key: clients "
            "without a valid key. rate: clients over their limit.",
            is_stacked=True,
        ),
        Panel(
            "Requests that miss the objective",
            "percentunit",
            (("last {{window}}", f'{MISSED}{{window!="30d"}}'),),
            "Of the whole service. 1 % is the budget. A page: above 14.4 % in 1 h and 5 min, or above 6 % in 6 h and "
            "30 min. A ticket: above 3 % in 1 d and 2 h, or above 1 % in 3 d and 6 h.",
        ),
        Panel(
            "Error budget left of 30 days",
            "percentunit",
            (("left", BUDGET_LEFT),),
            "Of the whole service. A steep fall is an incident, a slow one too little capacity: row Traffic at that "
            "time says how the requests ended.",
            lowest=None,
        ),
        Panel(
            "Proxy: retries and failed connections",
            "reqps",
            (
                ("sent to another replica", "sum(rate(haproxy_backend_redispatch_warnings_total[$__rate_interval]))"),
                ("no connection", "sum(rate(haproxy_backend_connection_errors_total[$__rate_interval]))"),
                ("refused connections", f"sum({rate('singleshot_connections_refused_total', REPLICA)})"),
            ),
            "Above zero while a replica dies or is replaced. If it stays above zero, find the faulty replica in the "
            "row Health. refused connections: row Limits, Connections.",
        ),
    ),
)
