"""The command line of `python -m service`."""

import argparse
from typing import get_args

from service.command_names import named
from service.engines.protocol import EngineName, Precision
from service.settings import Settings
from service.version import add_version

EXAMPLE = """\
--bundle can be repeated; exactly the given bundles are served. `--bundle default` is the one that is packaged with the
server. Without --bundle, the server takes what is mounted at /mnt/models, or the packaged one if nothing is. A bundle
with a URL, such as s3://bucket/cards, is copied to the cache first. The first bundle answers requests that name no
model. Every setting is also an environment variable, e.g. SINGLESHOT_MAX_BATCH=4; the command line overrides it.

SIGTERM and Ctrl-C answer the accepted requests and end the server. So does SIGHUP, which a closed terminal sends; with
API keys, SIGHUP reads their file again instead.

example:
  python -m service --bundle default --bundle runs/cards/bundle --port 8123
  curl --data-binary @photo.jpg 'http://127.0.0.1:8123/detect?score_threshold=0.5'
"""


def parser() -> argparse.ArgumentParser:
    """The options, each of which is a setting."""
    fields = Settings.model_fields
    parser = argparse.ArgumentParser(
        prog=named("python -m service"),
        description="Serve detectors over HTTP: POST an image to /detect, get boxes.",
        epilog=named(EXAMPLE),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_version(parser)
    parser.add_argument(
        "--bundle", action="append", dest="bundles", metavar="DIR|URL", help="a bundle to serve (default: see below)"
    )
    parser.add_argument(
        "--canary",
        action="append",
        dest="canaries",
        metavar="DIR|URL",
        help="a new version of a served model (default: none)",
    )
    parser.add_argument(
        "--serve-as",
        action="append",
        metavar="NAME",
        help="a further name of the first bundle's model, or MODEL=NAME (default: none)",
    )
    parser.add_argument("--canary-share", type=float, metavar="SHARE", help=fields["canary_share"].description)
    parser.add_argument("--host", help=f"{fields['host'].description} (default: {fields['host'].default})")
    parser.add_argument("--port", type=int, help=f"{fields['port'].description} (default: {fields['port'].default})")
    parser.add_argument("--grpc-port", type=int, metavar="PORT", help=fields["grpc_port"].description)
    parser.add_argument("--uds", metavar="PATH", help=fields["uds"].description)
    parser.add_argument("--ssl-certfile", metavar="FILE", help=fields["ssl_certfile"].description)
    parser.add_argument("--ssl-keyfile", metavar="FILE", help=fields["ssl_keyfile"].description)
    parser.add_argument("--ssl-ca-certs", metavar="FILE", help=fields["ssl_ca_certs"].description)
    parser.add_argument("--engine", choices=get_args(EngineName), help=fields["engine"].description)
    parser.add_argument("--precision", choices=get_args(Precision), help=fields["precision"].description)
    return parser
