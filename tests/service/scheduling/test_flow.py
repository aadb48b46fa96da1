"""The flow of images: how fast they are answered, and so how long the next one takes."""

import pytest

from service.scheduling.admission import Admission, Load, RejectedError
from service.scheduling.cost_model import CostModel
from service.scheduling.flow import MIN_INSIDE, WINDOW_SECONDS, Flow


def flowing(flow: Flow, *, num_inside: int, rate: float, seconds: float = 2.0, start: float = 0.0) -> float:
    """Keep `num_inside` images inside, and answer `rate` of them a second -> the time at the end."""
    while flow.num_inside < num_inside:
        flow.enter()
    now = start
    for number in range(1, round(rate * seconds) + 1):
        now = start + number / rate
        flow.leave(now, is_answered=True)
        flow.enter()
    return now


@pytest.mark.parametrize("rate", [20.0, 500.0])
def test_an_image_is_answered_after_those_inside_at_their_rate(rate: float) -> None:
    flow = Flow()
    flowing(flow, num_inside=50, rate=rate)
    assert flow.seconds() == pytest.approx(51 / rate, rel=0.02)
    assert flow.seconds(10) == pytest.approx(60 / rate, rel=0.02)


def test_a_change_of_speed_is_learnt_within_a_second() -> None:
    flow = Flow()
    now = flowing(flow, num_inside=50, rate=100)
    flowing(flow, num_inside=50, rate=1000, seconds=1.0, start=now)
    assert flow.seconds() == pytest.approx(51 / 1000, rel=0.1)


def test_images_that_expire_are_no_answers() -> None:
    flow = Flow()
    now = flowing(flow, num_inside=50, rate=100)
    for number in range(1000):  # nine of ten expire
        now += 0.001
        flow.leave(now, is_answered=number % 10 == 0)
        flow.enter()
    assert flow.seconds() == pytest.approx(51 / 100, rel=0.1)


def test_few_images_show_that_the_server_is_faster_but_not_that_it_is_slower() -> None:
    flow = Flow()
    now = flowing(flow, num_inside=50, rate=20)
    while flow.num_inside:
        flow.leave(now, is_answered=True)
    now = flowing(flow, num_inside=2, rate=200, start=now)
    flowing(flow, num_inside=2, rate=5, start=now)
    while flow.num_inside < 50:
        flow.enter()
    assert flow.seconds() == pytest.approx(51 / 200, rel=0.1)


def test_few_images_say_nothing() -> None:
    flow = Flow()
    flowing(flow, num_inside=MIN_INSIDE - 1, rate=10)
    assert flow.seconds() == 0
    flow.enter()
    assert flow.seconds() == 0  # no rate is known yet
    flow.leave(100.0 + WINDOW_SECONDS / 2, is_answered=True)
    assert flow.seconds() == 0


def test_an_idle_engine_does_not_mean_an_idle_server() -> None:
    admission = Admission(CostModel({1: 0.001, 8: 0.002}), max_queue=100)
    idle = Load(num_waiting=0, num_ahead=0, num_running=0, free_in=[0.0], batch_size=8)
    admission.check(idle, now=0.0, objective=0.25)
    now = flowing(admission.flow, num_inside=100, rate=200)
    assert admission.predict(idle) == pytest.approx(101 / 200, rel=0.02)
    admission.check(idle, now=now, objective=now + 1.1)  # twice that, because the costs do not explain it
    with pytest.raises(RejectedError, match=r"should be answered in 0\.9") as caught:
        admission.check(idle, now=now, objective=now + 0.9)
    assert caught.value.reason == "late"
    assert 0 < caught.value.retry_after_seconds < 0.1
