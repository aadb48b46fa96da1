"""The query of /detect and the schema of every JSON answer. Boxes are xyxy in pixels of the upright image."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidatorFunctionWrapHandler, field_validator
from pydantic_core import PydanticCustomError

from service.bundle import InputSpec, Int8Form, NmsDefaults, Source
from service.card import Card


class DetectQuery(BaseModel):
    """Query parameters of /detect; the bundle has the values of those that are left out."""

    model_config = ConfigDict(extra="forbid")

    model: str | None = Field(None, description="name or alias of the model, see /models; the first model if left out")
    version: str | None = Field(None, description="version of the model; chosen by the server if left out")
    score_threshold: float | None = Field(None, ge=0, le=1, description="detections with a lower score are left out")
    class_thresholds: list[str] = Field(
        [],
        description="score thresholds of single classes, as `name:0.5`; repeat the parameter or separate the entries "
        "by commas",
    )
    max_detections: int | None = Field(
        None, ge=1, le=10_000, description="largest number of detections per image; the best ones are kept"
    )
    classes: list[str] = Field([], description="only these classes; repeat the parameter or separate names by commas")
    nms: Literal["soft", "gaussian", "linear", "hard", "none"] | None = Field(
        None,
        description="treatment of overlapping boxes of a class: soft is the model's own soft method; none gives the "
        "candidates before NMS, with boxes that are not clipped to the image, for clients that run NMS themselves",
    )
    sigma: float | None = Field(None, gt=0, le=100, description="width of the Gaussian soft-NMS")
    iou_threshold: float | None = Field(None, ge=0, le=1, description="IoU above which linear and hard NMS act")
    tile: Annotated[int, Field(ge=1)] | Literal["auto"] | None = Field(
        None,
        description="for large images with small objects: the model also sees overlapping tiles of so many pixels in "
        "height and width; auto is twice the model's input, or more if the image would have too many tiles",
    )
    format: Literal["json", "image"] = Field("json", description="json, or the image with the boxes drawn on it")

    @field_validator("tile", mode="wrap")
    @classmethod
    def _check_tile(cls, value: object, handler: ValidatorFunctionWrapHandler) -> Any:
        try:
            return handler("no number" if isinstance(value, bool) else value)  # JSON's true would be 1
        except ValidationError as error:  # one sentence instead of one for each form
            raise PydanticCustomError("tile", "should be auto or a number of pixels from 1 up") from error


class Box(BaseModel):
    """Corners in pixels of the upright image; x to the right, y down."""

    x1: float
    y1: float
    x2: float
    y2: float


class Detection(BaseModel):
    """One object."""

    label: str
    class_id: int
    score: float = Field(ge=0, le=1)
    box: Box


class ImageProblem(BaseModel):
    """Why one image of several could not be used."""

    status: int
    title: str
    detail: str


class Result(BaseModel):
    """One image of the request. Only for an unusable image, width and height are null and `error` is present.

    Only with `tile`, there is `views`.
    """

    filename: str | None
    width: int | None
    height: int | None
    views: int | None = Field(
        None, description="parts of the image that the model saw: 1 if it fits into a tile, else its tiles and itself"
    )
    detections: list[Detection]
    error: ImageProblem | None = None


class DetectResponse(BaseModel):
    """Answer of /detect, results in the order of the images."""

    model: str
    version: str
    results: list[Result]


class ModelInfo(BaseModel):
    """One served version of a model."""

    name: str
    version: str
    aliases: list[str] = Field(description="further names by which requests may ask for the model")
    is_default: bool
    share: float = Field(description="share of the requests that name the model but no version")
    classes: list[str]
    input: InputSpec
    nms: NmsDefaults
    engine: str
    engine_description: str
    engine_note: str = Field(description="why a better engine is not used, and how far its build is; else empty")
    max_batch: int
    source: Source
    metrics: dict[str, float]
    int8: Int8Form | None = Field(description="the loss of the model's form in int8; null if the bundle has none")
    card: Card | None = Field(description="what people should know about the model; null if the bundle has none")


class BundleFault(BaseModel):
    """A bundle that is refused, so that an older one or none is served instead, or whose directory is missing."""

    bundle: str = Field(description="its directory, or its URL")
    model: str = Field(description="name of the model; of the directory if no bundle in it could be read")
    fault: Literal["refused", "missing"]
    reason: str


class ModelList(BaseModel):
    """Answer of /models."""

    models: list[ModelInfo]
    faults: list[BundleFault] = Field(description="the bundles that are not served as they are on disk")


class Status(BaseModel):
    """Answer of /healthz."""

    status: Literal["ok"]


class Readiness(BaseModel):
    """Answer of /readyz."""

    status: Literal["ready"]
    faults: list[BundleFault] = Field(description="the bundles that are not served as they are on disk")


class ProblemDetails(BaseModel):
    """Every error (RFC 9457)."""

    type: str
    status: int
    title: str
    detail: str
    request_id: str
