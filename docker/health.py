"""Exit with status 0 if the server in this container answers /readyz with 200: the image's health check."""

import http.client
import os
import sys

connection = http.client.HTTPConnection("127.0.0.1", int(os.environ["SINGLESHOT_PORT"]), timeout=2)
connection.request("GET", "/readyz")
sys.exit(connection.getresponse().status != 200)
