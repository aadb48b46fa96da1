"""A model under the name of KServe's InferenceService, with Triton's client."""

from tests.service.api.open_inference.remote import Remote
from tests.service.served_app import GOLDEN

NAME = "blood-cells"


def test_metadata_and_configuration_have_the_name_that_was_asked_for(remote: Remote) -> None:
    for version in ("", "1"):
        assert remote.client.is_model_ready(NAME, version)
        metadata = {**remote.get("model_metadata", "tiny", version), "name": NAME}
        assert remote.get("model_metadata", NAME, version) == metadata
        assert remote.config(NAME, version) == {**remote.config("tiny", version), "name": NAME}
        (counted,) = remote.get("inference_statistics", NAME, version)["model_stats"]
        assert (counted["name"], counted["version"]) == (NAME, "1")


def test_an_answer_has_the_name_that_was_asked_for(remote: Remote) -> None:
    for version in ("", "1"):
        answer = remote.infer(NAME, [remote.files(GOLDEN)], model_version=version)
        assert (answer.head["model_name"], answer.head["model_version"]) == (NAME, "1")
        assert answer["class_names"].tolist() == [[b"red", b"green"]]


def test_a_model_is_loaded_and_unloaded_under_either_name(remote: Remote) -> None:
    for first, second in ((NAME, "tiny"), ("tiny", NAME)):
        remote.client.unload_model(first)
        assert not remote.client.is_model_ready(second)
        remote.client.load_model(second)
        assert remote.client.is_model_ready(first)
