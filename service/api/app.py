"""The HTTP server: `create_app(settings)` opens the bundles and returns the application that serves them."""

from collections.abc import Callable
from functools import partial

from fastapi import FastAPI

from service import __version__
from service.api.detect import add_detect
from service.api.fast_path import Application
from service.api.head import HeadAsGet
from service.api.open_inference.repository import add_repository_protocol
from service.api.open_inference.routes import add_inference_protocol
from service.api.openapi import install_document
from service.api.operations import add_operations
from service.api.page import add_page
from service.api.problems import install_error_handlers
from service.api.reference import add_reference
from service.api.request_context import RequestContext
from service.api.state import ServerState
from service.engines.open import open_engine
from service.engines.protocol import Engine
from service.settings import Settings


def create_app(settings: Settings, open_engine: Callable[..., Engine] = open_engine) -> FastAPI:
    """Open the bundles, check their golden images, and return the application.

    Raises AccessError, AliasError, BundleError, EngineError and TracingError.

    `app.state.server` is the `ServerState`.
    """
    server = ServerState(settings, open_engine)
    app = Application(
        title="Singleshot",
        summary="Object detection: POST an image, get boxes.",
        version=__version__,
        lifespan=server.running,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # the redirect would go to the host that the client names
    )
    app.state.server = server
    context = partial(
        RequestContext,
        journal=server.journal,
        lag=server.lag,
        is_draining=lambda: server.is_draining,
    )
    app.add_middleware(HeadAsGet)
    app.add_middleware(context)
    if server.origins is not None:
        app.add_middleware(server.origins.middleware)
    install_error_handlers(app)
    detect = add_detect(app, server)
    app.add_shortcut("POST", "/detect", detect, context if server.origins is None else server.origins.around(context))
    add_operations(app, server)
    add_page(app, server)
    add_reference(app)
    add_inference_protocol(app, server)
    add_repository_protocol(app, server)
    install_document(app, has_keys=server.access.has_keys)
    return app
