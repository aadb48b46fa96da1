"""All settings, read once at start-up from the environment (`SINGLESHOT_PORT=8123`) and the command line."""

import os
import re
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from service.bundle import NAME
from service.cores import num_cores
from service.engines.protocol import EngineName, Precision
from service.environment import PREFIX, is_service_link
from service.remote import mask_url
from service.telemetry.logs import Level

# one of the places or names that colons separate; a URL may have colons in its user's password and before its port
PLACE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://(?:[^/?@]*@)?(?:\[[^\]]*\]|[^/?:]*)(?::\d+)?(?:[/?][^:]*)?|[^:]+")
DEFAULT_BUNDLES = Path(__file__).parent / "bundles"
MOUNTED_BUNDLES = Path("/mnt/models")  # KServe puts the content of a model's storageUri here
SERVE_AS = re.compile(f"({NAME}=)?{NAME}")
ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(?:\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([1-9][0-9]{0,4}))?")  # in lower case
MAX_PORT = 65_535
USUAL_PORTS = {"http": "80", "https": "443"}  # which browsers leave out of an origin


def default_bundles() -> tuple[str, ...]:
    """The mounted bundles if there is such a directory, also if it is empty; else the packaged ones."""
    return (str(MOUNTED_BUNDLES),) if os.path.lexists(MOUNTED_BUNDLES) else ("default",)


def default_cache() -> Path:
    """The user's cache directory, as the XDG Base Directory Specification says."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path(os.path.expanduser("~")) / ".cache") / "singleshot"  # noqa: PTH111 Path.expanduser raises an error if there is no home


def is_collector(url: str) -> bool:
    """Whether the URL is that of a server, to which a path can be added."""
    try:
        parts = urlsplit(url)
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return has_host and parts.scheme in ("http", "https") and not (parts.query or parts.fragment)


def is_origin(text: str) -> bool:
    """Whether a browser may send the text as an Origin; `null`, the origin of local files and sandboxes, is none."""
    found = ORIGIN.fullmatch(text)
    if found is None:
        return False
    port = found[1]
    return port is None or (port != USUAL_PORTS.get(text.partition(":")[0]) and int(port) <= MAX_PORT)


class Settings(BaseSettings):
    """Settings of the server; each is also an environment variable `SINGLESHOT_<NAME>`, which counts if not empty."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, frozen=True, extra="forbid", allow_inf_nan=False
    )

    bundles: Annotated[tuple[str, ...], NoDecode] = Field(
        default_factory=default_bundles,
        description="directories or URLs of the bundles to serve, first the default; `default` is the packaged one, "
        "which is served if nothing is given and there is no directory /mnt/models",
    )
    serve_as: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="further names of the served models: NAME for the model of the first bundle, or MODEL=NAME",
    )
    canaries: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="directories or URLs of bundles with new versions of served models, for a share of the requests",
    )
    canary_share: float = Field(0.1, ge=0, le=1, description="share of a model's requests that its canary gets")
    strict_bundles: bool = Field(
        False,
        description="whether the start fails if one of several bundles is refused, instead of serving the others",
    )
    reload_seconds: float = Field(
        2.0, ge=0, description="how often to check whether a bundle or the API keys changed on disk; 0 for never"
    )
    model_control: bool = Field(False, description="whether clients may load and unload models under /v2/repository")
    host: str = Field("127.0.0.1", description="address to listen on; 0.0.0.0 for every interface")
    port: int = Field(8000, ge=0, le=65535, description="port to listen on; 0 for any free one")
    grpc_port: int | None = Field(
        None,
        ge=0,
        le=65535,
        description="port for the Open Inference Protocol over gRPC; 0 for any free one; none if unset",
    )
    uds: Path | None = Field(
        None,
        description="path of a unix socket to listen on, instead of host and port; the user and the group of the file "
        "may connect",
    )
    ssl_certfile: Path | None = Field(
        None,
        description="a PEM file with the certificate and its chain; if set, clients connect with TLS, and the files "
        "are read again when they change",
    )
    ssl_keyfile: Path | None = Field(
        None, description="a PEM file with the private key; if unset, it is in the file of the certificate"
    )
    ssl_keyfile_password: SecretStr | None = Field(None, description="the password of an encrypted private key")
    ssl_ca_certs: Path | None = Field(
        None,
        description="a PEM file with certificates of authorities; if set, each client needs a certificate of one",
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="origins of web pages that may read the answers, e.g. https://shop.example, or * for every page; "
        "commas separate them",
    )
    engine: EngineName = Field(
        "auto",
        description="auto is TensorRT if there is an engine for this GPU, else ONNX Runtime's CUDA provider if there "
        "is a GPU, else OpenVINO, else ONNX Runtime on the CPU",
    )
    precision: Precision = Field(
        "auto",
        description="of the network; auto is fp16 on a GPU; with OpenVINO it is int8, if the bundle has that form, or "
        "bf16, each only if this CPU is faster in it; else it is fp32",
    )
    engine_build: bool = Field(
        True,
        description="whether the server builds a missing TensorRT engine for its GPU, while another engine serves",
    )
    engine_cache: Path = Field(
        default_factory=default_cache,
        description="directory for these engines and for copies of remote bundles (default: ~/.cache/singleshot)",
    )
    engine_streams: int | None = Field(
        None,
        gt=0,
        description="batches that the engine runs at once; if unset, the engine decides: one per core on a CPU, two on "
        "a GPU with TensorRT, which takes no more",
    )
    engine_threads: int | None = Field(
        None, gt=0, description="threads that one batch may use; an even share of the cores"
    )
    max_batch: int = Field(
        8, gt=0, description="images in one batch at most; fewer if more gain nothing, as on most CPUs"
    )
    max_queue: int = Field(256, gt=0, description="images of one model that may wait for the engine")
    max_requests: int = Field(
        256, gt=0, description="detect requests that may be in the server at once, bodies included"
    )
    objective_seconds: float | None = Field(
        None,
        gt=0,
        description="time within which a request without X-Request-Timeout-Ms should be answered, from its last byte: "
        "a busy server refuses what would take longer; if unset, ten times what an image takes alone, at least 0.25",
    )
    default_deadline_seconds: float = Field(
        10.0,
        gt=0,
        description="time after which the answer to a request without X-Request-Timeout-Ms is of no use, from its last "
        "byte",
    )
    receive_seconds: float = Field(
        30.0, gt=0, description="time that a client may take to send its headers, and the same for its body"
    )
    max_connections: int = Field(
        4096,
        gt=0,
        description="connections of clients that may be open at once, of each protocol; fewer if the process may open "
        "fewer files",
    )
    max_body_bytes: int = Field(32 * 2**20, gt=0, description="size of a request's body at most")
    max_body_bytes_in_flight: int = Field(256 * 2**20, gt=0, description="size of the bodies of all requests, together")
    max_files: int = Field(32, gt=0, description="images in one multipart request at most")
    max_pixels: int = Field(50_000_000, gt=0, description="pixels of one image at most, before any decoding")
    max_pixels_in_flight: int = Field(
        200_000_000, gt=0, description="pixels of all images that are being decoded, together"
    )
    decode_threads: int = Field(num_cores(), gt=0, description="threads that decode images")
    api_keys_file: Path | None = Field(
        None, description="a file with a line `name key` for each client; if unset, clients need no key"
    )
    rate_limit: float | None = Field(
        None, gt=0, description="requests a second of one key, or of one address without keys"
    )
    rate_burst: int | None = Field(
        None, gt=0, description="requests at once within the rate limit; one second's worth if unset"
    )
    log_level: Level = Field(
        "info",
        description="the lowest level that is logged; info has the events of the server and a line for each request",
    )
    log_requests_per_second: float = Field(
        5.0,
        gt=0,
        description="lines a second for requests of each outcome; the log says how many others there were",
    )
    slow_seconds: float = Field(
        1.0,
        gt=0,
        description="time from the last byte of a request after which its answer counts as slow, in the metric of the "
        "objective and in the log; a client with a timeout of its own decides itself",
    )
    otlp_endpoint: str | None = Field(
        None, description="the collector of OpenTelemetry traces, e.g. http://collector:4318; none if unset"
    )
    max_failures: int = Field(3, gt=0, description="consecutive failed batches after which the server is not ready")
    stuck_seconds: float = Field(
        30.0, gt=0, description="delay of a batch against its prediction after which the engine counts as stuck"
    )
    watchdog_seconds: float = Field(1.0, gt=0, description="how often to check whether an engine fails or is stuck")
    drain_grace_seconds: float = Field(
        2.0, ge=0, description="time between SIGTERM, when /readyz turns to 503, and the end of new connections"
    )
    drain_limit_seconds: float = Field(
        30, gt=0, description="time that accepted requests have after the end of new connections"
    )

    @property
    def bundle_copies(self) -> Path:
        """The directory of the copies of remote bundles."""
        return self.engine_cache / "bundles"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The arguments, then the environment without Kubernetes' variables, of which SINGLESHOT_PORT may be one."""
        del env_settings
        environment = EnvSettingsSource(settings_cls)
        environment.env_vars = {
            name: value for name, value in environment.env_vars.items() if not is_service_link(name, value)
        }
        return init_settings, environment

    def masked(self) -> dict[str, Any]:
        """The settings as JSON's types, without the parts of URLs that may be secret."""
        shown = self.model_dump(mode="json")
        for name in ("bundles", "canaries"):
            shown[name] = [mask_url(place) for place in shown[name]]
        if self.otlp_endpoint:
            shown["otlp_endpoint"] = mask_url(self.otlp_endpoint)
        return shown

    @field_validator("engine_cache", mode="before")
    @classmethod
    def _expand_home(cls, value: object) -> object:
        if isinstance(value, str):
            return os.path.expanduser(value) if value else default_cache()  # noqa: PTH111 see default_cache
        return value

    @field_validator("otlp_endpoint")
    @classmethod
    def _check_endpoint(cls, value: str | None) -> str | None:
        if value and not is_collector(value):
            message = "should be the URL of a collector without a query, e.g. http://collector:4318"
            raise PydanticCustomError("otlp_endpoint", message)
        return value

    @field_validator("bundles", "canaries", "serve_as", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(PLACE.findall(value)) if isinstance(value, str) else value

    @field_validator("serve_as")
    @classmethod
    def _check_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if bad := [entry for entry in value if not SERVE_AS.fullmatch(entry)]:
            names = "a name has 1 to 64 letters, digits, dots, dashes and underscores and begins with a letter or digit"
            raise PydanticCustomError("serve_as", f"should be NAME or MODEL=NAME, not {bad[0]!r}; {names}")
        return value

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _split_origins(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(origin.strip() for origin in value.split(",") if origin.strip())

    @field_validator("cors_origins")
    @classmethod
    def _check_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if bad := [origin for origin in value if origin != "*" and not is_origin(origin)]:
            wanted = "should be * or origins as browsers send them, e.g. https://shop.example or http://localhost:3000"
            raise PydanticCustomError(
                "cors_origins", f"{wanted}, in lower case, without a path and the usual port, not {bad[0]!r}"
            )
        return value

    @model_validator(mode="after")
    def _check_certificate(self) -> Self:
        dependent = [name for name in ("ssl_keyfile", "ssl_keyfile_password", "ssl_ca_certs") if getattr(self, name)]
        if dependent and self.ssl_certfile is None:
            raise PydanticCustomError("ssl_certfile", f"{dependent[0]} has no effect without ssl_certfile; set both")
        return self
