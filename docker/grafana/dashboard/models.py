"""The rows about what the models find, and about the versions of a model side by side, such as a canary's."""

from .panel import ANSWERED, CHOSEN, DETECT, VERSION, Panel, Row, mean, quantile, rate

SCORE = "singleshot_detection_score"
PICTURES = rate("singleshot_stage_duration_seconds_count", f'stage="postprocess", {CHOSEN}')

DETECTIONS: Row = (
    "What the models see",
    (
        Panel(
            "Detections by class",
            "cps",
            (("{{model}} {{label}}", f"sum by (model, label) ({rate('singleshot_detections_total', CHOSEN)})"),),
            "If a class disappears while requests continue, look for another camera, other images or a new bundle. "
            "Evaluate the model on newly labelled images.",
            is_stacked=True,
        ),
        Panel(
            "Drift of the scores",
            "percentunit",
            (("{{model}} {{version}}", f"model_version:singleshot_detection_score:drift{{{VERSION}}}"),),
            "Largest distance between the distributions of the last hour's scores and of the last day's "
            "(Kolmogorov-Smirnov). An alert fires above 15 % if there are a thousand detections: look at images of "
            "that hour with format=image.",
        ),
        Panel(
            "Mean score",
            "percentunit",
            (("{{model}} {{version}}", mean(SCORE, CHOSEN, "model, version")),),
            "It falls if images become unlike the training images. It cannot fall below the score threshold.",
        ),
    ),
)

VERSIONS: Row = (
    "Versions of a model, side by side",
    (
        Panel(
            "Requests by version",
            "reqps",
            (
                (
                    "{{model}} {{version}}",
                    f"sum by (model, version) ({rate('singleshot_request_duration_seconds_count', DETECT)})",
                ),
            ),
            "A canary gets the share CANARY_SHARE. None: its engine fails, or it is not loaded: GET /models.",
            is_stacked=True,
        ),
        Panel(
            "Requests that miss the objective, last hour",
            "percentunit",
            (("{{model}} {{version}}", f'model_version:singleshot_missed_objective:ratio{{window="1h", {VERSION}}}'),),
            "A canary far above its main version: take it out of CANARIES. Few requests differ by chance.",
        ),
        Panel(
            "Request time",
            "s",
            (
                (
                    "p50, {{model}} {{version}}",
                    quantile(0.5, "singleshot_request_duration_seconds", ANSWERED, "model, version, "),
                ),
                (
                    "p95, {{model}} {{version}}",
                    quantile(0.95, "singleshot_request_duration_seconds", ANSWERED, "model, version, "),
                ),
            ),
            "A canary that is slower takes capacity from all: add replicas before it gets all requests, or take it "
            "back.",
        ),
        Panel(
            "Detections in a picture",
            "short",
            (
                (
                    "{{model}} {{version}}",
                    f"sum by (model, version) ({rate('singleshot_detections_total', CHOSEN)}) "
                    f"/ sum by (model, version) ({PICTURES})",
                ),
            ),
            "Both versions get the same kind of images, so a difference is the model's: compare both on labelled "
            "images. Few requests differ by chance.",
        ),
        Panel(
            "Scores: p10, p50 and p90",
            "percentunit",
            tuple(
                (f"p{share}, {{{{model}}}} {{{{version}}}}", quantile(share / 100, SCORE, CHOSEN, "model, version, "))
                for share in (10, 50, 90)
            ),
            "The distribution of the scores. Another distribution needs another score threshold; evaluate the canary "
            "before it becomes the main version.",
        ),
        Panel(
            "Share of the requests",
            "percentunit",
            (("{{model}} {{version}}", f"max by (model, version) (singleshot_model_share{{{CHOSEN}}})"),),
            "What each version should get. A version that is here and not in Requests by version is not asked for.",
        ),
    ),
)
