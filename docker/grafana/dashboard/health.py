"""The rows Health and GPU: the replicas, their machines, and what watches them."""

from .panel import CHOSEN, REPLICA, Panel, Row

SERVER = f'job="singleshot", {REPLICA}'
GPU_EMPTY = "Empty if no NVIDIA DCGM exporter runs"

HEALTH: Row = (
    "Health",
    (
        Panel(
            "Replicas",
            "short",
            (
                ("answer Prometheus", f"sum(up{{{SERVER}}})"),
                ("ready", f"sum(singleshot_ready{{{REPLICA}}})"),
                (
                    "{{model}} {{version}}, {{engine}}",
                    f"count by (model, version, engine) (singleshot_model_info{{{CHOSEN}}})",
                ),
            ),
            "ready is below the others: GET /readyz of the replica says why. Two versions for a long time: a canary, "
            "or a roll-out that stopped half-way.",
        ),
        Panel(
            "Replicas that are not ready",
            "short",
            (("{{instance}}", f"1 - (singleshot_ready{{{REPLICA}}} and up{{{SERVER}}} == 1 or up{{{SERVER}}})"),),
            "1: the replica does not answer, or is not ready. GET /readyz of it says why; docker compose ps and logs.",
        ),
        Panel(
            "Time since the start",
            "s",
            (("{{instance}}", f"time() - process_start_time_seconds{{{SERVER}}}"),),
            "A saw is a replica that starts again and again: the last line of its log before each start says why; none "
            "there: the memory limit killed it.",
        ),
        Panel(
            "Memory",
            "bytes",
            (("{{instance}}", f"process_resident_memory_bytes{{{SERVER}}}"),),
            "It rises with load and stays there. If it rises for hours at constant load, go back to the previous "
            "version and report it. If decoding takes too much memory, lower MAX_PIXELS_IN_FLIGHT.",
        ),
        Panel(
            "Processor",
            "short",
            (("{{instance}}", f"rate(process_cpu_seconds_total{{{SERVER}}}[$__rate_interval])"),),
            "Cores in use. At the machine's number of cores, add replicas on another machine. High without traffic: "
            "report it.",
        ),
        Panel(
            "Alerts",
            "short",
            (
                (
                    "{{alertname}}",
                    'count by (alertname) (ALERTS{alertstate="firing"}) or label_replace(0 * count(up), "alertname", '
                    '"none", "", "")',
                ),
                ("not sent", "sum(rate(prometheus_notifications_errors_total[$__rate_interval]))"),
            ),
            "The alerts that fire now: docs/operating.md, Alerts, has the first command for each. not sent above 0: "
            "Prometheus does not reach Alertmanager, so nobody gets them.",
        ),
    ),
)

GPU: Row = (
    "GPU",
    (
        Panel(
            "GPU utilisation",
            "percent",
            (("{{gpu}}", "DCGM_FI_DEV_GPU_UTIL"),),
            f"{GPU_EMPTY} (profile gpu starts it). Low under load: decoding on the CPU is the limit.",
        ),
        Panel(
            "GPU memory",
            "decmbytes",
            (("{{gpu}}", "DCGM_FI_DEV_FB_USED"),),
            f"{GPU_EMPTY}. Near the card's size: serve fewer models, or lower MAX_BATCH.",
        ),
        Panel(
            "GPU temperature",
            "celsius",
            (("{{gpu}}", "DCGM_FI_DEV_GPU_TEMP"),),
            f"{GPU_EMPTY}. Near its limit, the card slows down: check the cooling.",
        ),
    ),
)
