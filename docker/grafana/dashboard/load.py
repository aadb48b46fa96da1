"""The rows Load and Limits: how much of the server's means is used?"""

from .panel import CHOSEN, REPLICA, Panel, Row, mean, quantile, rate

BATCH = "singleshot_batch_size"

LOAD: Row = (
    "Load",
    (
        Panel(
            "Utilisation of the engine",
            "percentunit",
            (
                (
                    "{{instance}} {{model}} {{version}}",
                    f"instance_model_version:singleshot_engine_utilisation:rate1m{{{CHOSEN}}}",
                ),
            ),
            "Share of the time in which the engine's streams run batches. Steadily above 80 %: add replicas. Low while "
            "images wait: too few streams (ENGINE_STREAMS), or slow decoding.",
        ),
        Panel(
            "Images in a batch",
            "short",
            (
                ("mean, {{model}} {{version}}", mean(BATCH, CHOSEN, "model, version")),
                ("p95, {{model}} {{version}}", quantile(0.95, BATCH, CHOSEN, "model, version, ")),
            ),
            "On a CPU, near 1 is right: larger batches gain nothing there. On a GPU under load, it should rise towards "
            "MAX_BATCH.",
        ),
        Panel(
            "Lag of the event loop, p95",
            "s",
            (("{{instance}}", f"instance:singleshot_event_loop_lag_seconds:p95{{{REPLICA}}}"),),
            "How late the event loop is, looked at once a second. Above 0.2 s an alert fires: other work on the "
            "machine, or more requests than one process can read. Add replicas, on a machine with free cores.",
        ),
    ),
)

LIMITS: Row = (
    "Limits",
    (
        Panel(
            "Share of each limit in use",
            "percentunit",
            (("{{limit}} {{instance}}", f"instance_limit:singleshot_limit_used:ratio{{{CHOSEN}}}"),),
            "An alert fires above 80 % for five minutes. At 100 % the server refuses: add replicas, or raise the limit "
            "if the machine has the memory.",
        ),
        Panel(
            "Requests in the server",
            "short",
            (
                ("{{instance}}", f"singleshot_requests_in_flight{{{REPLICA}}}"),
                ("limit", f"max(singleshot_requests_limit{{{REPLICA}}})"),
            ),
            "At MAX_REQUESTS, further ones are refused (reason requests). Many requests and a low utilisation: slow "
            "clients or slow decoding.",
        ),
        Panel(
            "Images waiting",
            "short",
            (
                ("{{instance}} {{model}} {{version}}", f"singleshot_queue_depth{{{CHOSEN}}}"),
                ("limit", f"max(singleshot_queue_limit{{{CHOSEN}}})"),
            ),
            "Short peaks are bursts. A line that stays high and rises: too little capacity, add replicas. One replica "
            "far above the others: look at its machine.",
        ),
        Panel(
            "Pixels being decoded",
            "short",
            (
                ("{{instance}}", f"singleshot_inflight_pixels{{{REPLICA}}}"),
                ("limit", f"max(singleshot_inflight_pixels_limit{{{REPLICA}}})"),
            ),
            "At MAX_PIXELS_IN_FLIGHT, the server rejects images (reason pixels): give it more memory and a higher "
            "limit, or send smaller images.",
        ),
        Panel(
            "Bytes of bodies",
            "bytes",
            (
                ("{{instance}}", f"singleshot_inflight_body_bytes{{{REPLICA}}}"),
                ("limit", f"max(singleshot_inflight_body_bytes_limit{{{REPLICA}}})"),
            ),
            "At MAX_BODY_BYTES_IN_FLIGHT, the server rejects requests (reason memory): large uploads; a proxy that "
            "reads the bodies first helps against slow ones.",
        ),
        Panel(
            "Connections",
            "short",
            (
                ("{{instance}}", f"singleshot_connections{{{REPLICA}}}"),
                ("limit", f"max(singleshot_connections_limit{{{REPLICA}}})"),
                ("refused a second", f"sum({rate('singleshot_connections_refused_total', REPLICA)})"),
            ),
            "At MAX_CONNECTIONS, further ones are refused. Many connections and few requests: a client opens "
            "connections and keeps them; find its address in the proxy's log.",
        ),
    ),
)
