"""Arrays of integers in JSON: as Python's parser reads them, or refused."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.api.open_inference import json_numbers
from service.api.open_inference.json_numbers import NumbersError, check_num_values, extract_numbers, parse_numbers
from service.api.problems import RequestError

shapes = st.lists(st.integers(1, 5), min_size=1, max_size=5)


def oracle(text: bytes) -> list[int] | None:
    """The numbers as the json module and NumPy read them; None if they refuse them or they are not 0…255."""
    try:
        array = np.array(json.loads(text))
    except ValueError:
        return None
    if not array.size or array.dtype.kind != "i" or array.min() < 0 or array.max() > 255:
        return None
    flat: list[int] = array.ravel().tolist()
    return flat


@given(shape=shapes, seed=st.integers(0, 2**32 - 1), separator=st.sampled_from([",", ", ", " ,\n\t"]))
def test_a_regular_array_is_read_as_by_the_json_module(shape: list[int], seed: int, separator: str) -> None:
    array = np.random.default_rng(seed).integers(0, 256, shape)
    text = json.dumps(array.tolist(), separators=(separator, ":"))
    assert parse_numbers(text.encode()).tolist() == array.ravel().tolist()


@given(text=st.text("[[[]]],,, 0125\n", min_size=1, max_size=30).filter(lambda text: any(map(str.isdigit, text))))
def test_any_other_text_is_refused(text: str) -> None:
    wanted = oracle(f"[{text}]".encode())
    if wanted is None:
        with pytest.raises(NumbersError):
            parse_numbers(f"[{text}]".encode())
    else:
        assert parse_numbers(f"[{text}]".encode()).tolist() == wanted


@given(
    shape=shapes,
    at=st.integers(0, 200),
    change=st.sampled_from(["", ",", "[", "]", " ", "7", "],[", "1,", "00", "256"]),
    removed=st.integers(0, 2),
)
def test_a_small_error_in_an_array_is_seen(shape: list[int], at: int, change: str, removed: int) -> None:
    text = json.dumps(np.full(shape, 25).tolist())
    at %= len(text)
    changed = (text[:at] + change + text[at + removed :]).encode()
    wanted = oracle(changed)
    if wanted is None:
        with pytest.raises(NumbersError):
            parse_numbers(changed)
    else:
        assert parse_numbers(changed).tolist() == wanted


def test_blocks_are_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    array = np.random.default_rng(0).integers(0, 256, (7, 5, 3))
    for size in range(8, 200):
        monkeypatch.setattr(json_numbers, "BLOCK_BYTES", size)
        assert parse_numbers(json.dumps(array.tolist()).encode()).tolist() == array.ravel().tolist()
    with pytest.raises(NumbersError, match="more than"):
        parse_numbers(b"[1," + b" " * 300 + b"2,3]")


def test_arrays_are_taken_out_and_the_rest_is_kept() -> None:
    tensors: list[dict[str, Any]] = [
        {"name": "a", "data": [[1, 2], [3, 4]], "shape": [2, 2]},
        {"name": 'text "data": [5] and \\"data": [6]', "data": ["b"]},
        {"data": []},
        {"data": [1.5]},
        {"data": [7]},
    ]
    extracted = extract_numbers(json.dumps({"inputs": tensors}).encode(), "word")
    assert [numbers.tolist() for numbers in extracted.numbers] == [[1, 2, 3, 4], [7]]
    tensors[0]["data"], tensors[4]["data"] = ["word", 0], ["word", 1]
    assert json.loads(extracted.text) == {"inputs": tensors}


@pytest.mark.parametrize("array", [b"[[1],2]", b"[1]]", b"[1,,2]", b"[01]", b"[256]", b"[1 2]", b"[1,]"])
def test_an_invalid_array_is_a_400(array: bytes) -> None:
    with pytest.raises(RequestError, match="not a regular array") as refused:
        extract_numbers(b'{"data": ' + array + b"}", "word")
    assert refused.value.status == 400


def test_an_array_without_an_end_is_left_to_the_parser() -> None:
    text = b'{"data": [1,2}'
    assert extract_numbers(text, "word").text == text


def test_too_many_escapes_are_a_413() -> None:
    with pytest.raises(RequestError, match="escaped characters"):
        check_num_values(b'{"id": "' + 2**20 * b"\\n" + b'\\n"}')


def test_too_many_values_are_a_413_that_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_numbers, "MAX_NUMBERS", 5)
    monkeypatch.setattr(json_numbers, "MAX_OTHER_VALUES", 5)
    monkeypatch.setattr(json_numbers, "MAX_ARRAYS", 5)
    for text in (
        b'{"data": [1,2,3,4,5,6]}',
        b'{"data": [1,2,3]}, {"data": [1,2,3]}',
        6 * b'"data":[',
        b'{"data": [{},{},{},{},{},{},{}]}',
    ):
        with pytest.raises(RequestError, match="binary_data_size") as refused:
            check_num_values(extract_numbers(text, "word").text)
        assert refused.value.status == 413
