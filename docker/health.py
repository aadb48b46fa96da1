"""Exit with status 0 if the server in this container answers /readyz with 200: the image's health check.

It finds the server by the environment, not by the command line, and does not check the certificate.
"""

import http.client
import os
import socket
import ssl
import sys

SECONDS = 2
path = os.environ.get("SINGLESHOT_UDS")
if path:
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(SECONDS)
    client.connect(path)
else:
    client = socket.create_connection(("127.0.0.1", int(os.environ["SINGLESHOT_PORT"])), SECONDS)
if os.environ.get("SINGLESHOT_SSL_CERTFILE"):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    client = context.wrap_socket(client)
connection = http.client.HTTPConnection("localhost")
connection.sock = client
connection.request("GET", "/readyz")
sys.exit(connection.getresponse().status != 200)
