"""A model's configuration in Triton's form."""

from tests.asgi_client import AsgiClient
from tests.service.api.open_inference.remote import Remote


def test_a_triton_client_gets_a_configuration_that_agrees_with_the_metadata(remote: Remote) -> None:
    metadata = remote.get("model_metadata", "tiny")
    for version in ("", "1"):
        config = remote.config("tiny", version)
        assert (config["name"], config["platform"]) == ("tiny", metadata["platform"])
        assert config["max_batch_size"] == 0
        for part, described in (("input", metadata["inputs"]), ("output", metadata["outputs"])):
            assert [(tensor["name"], tensor["dims"]) for tensor in config[part]] == [
                (tensor["name"], tensor["shape"]) for tensor in described
            ]
        types = {tensor["name"]: tensor["data_type"] for tensor in (*config["input"], *config["output"])}
        assert (types["image"], types["images"], types["boxes"]) == ("TYPE_STRING", "TYPE_UINT8", "TYPE_FP32")
        assert all(tensor["optional"] for tensor in config["input"])  # a request has one of them


def test_the_extensions_name_what_is_served(client: AsgiClient) -> None:
    extensions = client.get("/v2").json()["extensions"]
    assert {"model_configuration", "statistics", "model_repository", "binary_tensor_data"} <= set(extensions)
