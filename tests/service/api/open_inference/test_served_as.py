"""A model under the name of KServe's InferenceService, with Triton's client."""

from typing import Any

import numpy as np
import pytest

from tests.service.served_app import GOLDEN

triton = pytest.importorskip("tritonclient.http")
NAME = "blood-cells"


def test_metadata_and_configuration_have_the_name_that_was_asked_for(remote: Any) -> None:
    for version in ("", "1"):
        assert remote.is_model_ready(NAME, version)
        assert remote.get_model_metadata(NAME, version) == {**remote.get_model_metadata("tiny", version), "name": NAME}
        assert remote.get_model_config(NAME, version) == {**remote.get_model_config("tiny", version), "name": NAME}
        (counted,) = remote.get_inference_statistics(NAME, version)["model_stats"]
        assert (counted["name"], counted["version"]) == (NAME, "1")


def test_an_answer_has_the_name_that_was_asked_for(remote: Any) -> None:
    tensor = triton.InferInput("image", [1], "BYTES")
    tensor.set_data_from_numpy(np.array([GOLDEN, None], dtype=object)[:-1])
    for version in ("", "1"):
        result = remote.infer(NAME, [tensor], model_version=version)
        assert (result.get_response()["model_name"], result.get_response()["model_version"]) == (NAME, "1")
        assert result.as_numpy("class_names").tolist() == [[b"red", b"green"]]


def test_a_model_is_loaded_and_unloaded_under_either_name(remote: Any) -> None:
    for first, second in ((NAME, "tiny"), ("tiny", NAME)):
        remote.unload_model(first)
        assert not remote.is_model_ready(second)
        remote.load_model(second)
        assert remote.is_model_ready(first)
