"""The examples of the OpenAPI document. The page /docs can send the requests as they are."""

import base64
from typing import Any

from service.api.reference import REFERENCE

IMAGE = base64.b64encode((REFERENCE / "example.jpg").read_bytes()).decode()

DETECT_REQUEST = {"image": IMAGE}
DETECT_ANSWER: dict[str, Any] = {
    "model": "bccd-passd-320",
    "version": "1",
    "results": [
        {
            "filename": "cells.jpg",  # FastAPI would leave a null out
            "width": 96,
            "height": 72,
            "detections": [
                {
                    "label": "WBC",
                    "class_id": 2,
                    "score": 0.884656,
                    "box": {"x1": 0.97, "y1": 31.38, "x2": 16.65, "y2": 54.47},
                },
                {
                    "label": "RBC",
                    "class_id": 1,
                    "score": 0.874116,
                    "box": {"x1": 30.72, "y1": 1.97, "x2": 52.54, "y2": 22.52},
                },
            ],
        }
    ],
}
INFER_REQUEST = {
    "inputs": [{"name": "image", "datatype": "BYTES", "shape": [1], "data": [IMAGE]}],
    "parameters": {"score_threshold": 0.5, "max_detections": 1},
}
INFER_ANSWER = {
    "model_name": "bccd-passd-320",
    "model_version": "1",
    "outputs": [
        {"name": "boxes", "datatype": "FP32", "shape": [1, 1, 4], "data": [0.97, 31.38, 16.65, 54.47]},
        {"name": "scores", "datatype": "FP32", "shape": [1, 1], "data": [0.884656]},
        {"name": "labels", "datatype": "INT32", "shape": [1, 1], "data": [2]},
        {"name": "class_names", "datatype": "BYTES", "shape": [1, 1], "data": ["WBC"]},
        {"name": "num_detections", "datatype": "INT32", "shape": [1], "data": [1]},
    ],
}
PROBLEM = {
    "type": "about:blank",
    "status": 415,
    "title": "Unsupported Media Type",
    "detail": "not an image that this server reads; send a JPEG, PNG, WebP, BMP or GIF file",
    "request_id": "5f39f0ce45ae03e205ebca5b48ff7306",
}
