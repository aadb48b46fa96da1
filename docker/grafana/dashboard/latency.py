"""The row Latency: how long do answers take, and in which stage, on which replica?"""

from .panel import ANSWERED, CHOSEN, Panel, Row, mean, quantile, rate

DURATION = "singleshot_request_duration_seconds"
STAGE = "singleshot_stage_duration_seconds"

LATENCY: Row = (
    "Latency",
    (
        Panel(
            "Request time by stage",
            "s",
            (
                (
                    "{{stage}}",
                    f"sum by (stage) ({rate(f'{STAGE}_sum', CHOSEN)}) / ignoring (stage) group_left () "
                    f"sum({rate(f'{DURATION}_count', ANSWERED)})",
                ),
            ),
            "Mean time of each stage per answered request, stacked. The mean in the panel on the right minus the "
            "height of this stack is the time between the stages. A large stage means: receive: slow clients; decode: "
            "large images or too few DECODE_THREADS; queue: too little capacity; infer: the engine, or a busy machine; "
            "postprocess: many candidates; draw: large or many pictures with format=image. The images of one request "
            "run in parallel, so the stack of a request with several images is higher than the request's own time.",
            is_stacked=True,
        ),
        Panel(
            "Request time, total",
            "s",
            (
                ("p50", quantile(0.5, DURATION, ANSWERED)),
                ("p95", quantile(0.95, DURATION, ANSWERED)),
                ("p99", quantile(0.99, DURATION, ANSWERED)),
                ("mean", f"sum({rate(f'{DURATION}_sum', ANSWERED)}) / sum({rate(f'{DURATION}_count', ANSWERED)})"),
            ),
            "From the first byte in to the last byte out, for requests answered with 200. If it grows, look for the "
            "stage that grew with it. p99 far above p50 at low load: other work runs on the machine. A dot is a "
            "request with its trace_id.",
            has_exemplars=True,
        ),
        Panel(
            "Request time, distribution",
            "s",
            (("{{le}}", f"sum by (le) (increase({DURATION}_bucket{{{ANSWERED}}}[$__rate_interval]))"),),
            "Number of answers by their time. Two bands: two kinds of images or clients, two versions, or a slow "
            "replica (panel on the left below). A band that rises: a stage grew.",
            kind="heatmap",
        ),
        Panel(
            "Request time by replica, p99",
            "s",
            (("{{instance}}", quantile(0.99, DURATION, ANSWERED, "instance, ")),),
            "One replica far above the others: look at its machine, and take it out if other work cannot be stopped.",
        ),
        Panel(
            "Stages, p99",
            "s",
            (("{{stage}}", quantile(0.99, STAGE, CHOSEN, "stage, ")),),
            "99 % of the stages are faster than this; the values of the stages do not add up. Only queue high: bursts, "
            "add replicas. infer high: batches are too large (lower MAX_BATCH), or other work runs on the machine. "
            "receive high: slow uploads, which cost the server nothing.",
        ),
        Panel(
            "Stages, p50 and mean",
            "s",
            (
                ("{{stage}} p50", quantile(0.5, STAGE, CHOSEN, "stage, ")),
                ("{{stage}} mean", mean(STAGE, CHOSEN, "stage")),
            ),
            "The same as the p99, for typical requests. Both grow: each request is slower; only the p99: some are.",
        ),
    ),
)
