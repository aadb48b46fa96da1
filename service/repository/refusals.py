"""The refused images of a model, in the metrics."""

from collections.abc import Callable

from service.scheduling.admission import RejectedError
from service.scheduling.pixel_budget import BudgetExceededError
from service.scheduling.ticket import ExpiredError
from service.telemetry.model_metrics import ModelMetrics


class CountedRefusals:
    """A context manager that counts each refusal under its reason, and gives an exceeded pixel budget a time to retry.

    It has no state of its own, so several blocks may use one at the same time.
    """

    def __init__(self, metrics: ModelMetrics, retry_seconds: Callable[[], float]) -> None:
        self._metrics = metrics
        self._retry_seconds = retry_seconds

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        match error:
            case BudgetExceededError():
                self._metrics.rejected["pixels"].inc()
                raise RejectedError("pixels", str(error), self._retry_seconds()) from error
            case RejectedError():
                self._metrics.rejected[error.reason].inc()
            case ExpiredError():
                self._metrics.rejected["expired"].inc()
