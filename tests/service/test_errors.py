"""Pydantic's errors in words."""

from typing import Any

from service.errors import MAX_LISTED, validation_problems


def error(*location: str | int, message: str = "Field required") -> dict[str, Any]:
    return {"type": "missing", "loc": location, "msg": message, "input": None}


def test_each_error_is_listed_with_its_field() -> None:
    errors = [error("inputs", 0, "name"), error("id", message="Input should be a valid string")]
    assert validation_problems(errors) == "inputs.0.name: Field required; id: Input should be a valid string"


def test_an_error_without_a_location_concerns_the_whole_input() -> None:
    assert validation_problems([error(message="Invalid JSON")], empty_location="the file") == "the file: Invalid JSON"


def test_a_prefix_stands_before_each_location() -> None:
    words = validation_problems([error("sigma"), error("nms")], prefix="parameters.")
    assert words == "parameters.sigma: Field required; parameters.nms: Field required"


def test_a_long_list_of_errors_is_cut() -> None:
    words = validation_problems([error(number) for number in range(MAX_LISTED + 5)])
    assert words.count("Field required") == MAX_LISTED
    assert words.endswith("; and 5 more")
