"""Write the names of a cluster's services into a file of hosts, and tell dnsmasq of each change, until killed.

python3 deploy/check/names.py API TOKEN FILE PID

A service has the name SERVICE.NAMESPACE.svc.cluster.local, with its own address or, if it is headless, the addresses of
its ready pods. A pod with a hostname has the name HOSTNAME.SERVICE.NAMESPACE.svc.cluster.local.
"""

import json
import os
import signal
import ssl
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

INTERVAL_SECONDS = 0.5
DOMAIN = "svc.cluster.local"


def main() -> None:
    """Poll the API server at the address API, with the bearer TOKEN; PID is dnsmasq's."""
    api, token, file, pid = sys.argv[1:]
    written = ""
    while True:
        try:
            lists = [items(f"{api}/api/v1/{kind}", token) for kind in ("services", "endpoints")]
            hosts = "".join(f"{address} {name}\n" for address, name in sorted(set(names(*lists))))
            if hosts != written:
                Path(file).write_text(hosts)
                os.kill(int(pid), signal.SIGHUP)
                written = hosts
        except OSError as error:  # the API server starts or stops
            print(error, file=sys.stderr)
        time.sleep(INTERVAL_SECONDS)


def items(url: str, token: str) -> list[dict[str, Any]]:
    """The objects of a list of the API."""
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=5, context=ssl._create_unverified_context()) as answer:
        found: list[dict[str, Any]] = json.load(answer)["items"]
        return found


def names(services: list[dict[str, Any]], endpoints: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """Pairs of an address and a name."""
    headless = set()
    for service in services:
        place = full_name(service)
        address = service["spec"].get("clusterIP", "None")
        if address == "None":
            headless.add(place)
        else:
            yield address, place
    for endpoint in endpoints:
        place = full_name(endpoint)
        for subset in endpoint.get("subsets") or []:
            for address in subset.get("addresses") or []:
                if place in headless:
                    yield address["ip"], place
                if "hostname" in address:
                    yield address["ip"], f"{address['hostname']}.{place}"


def full_name(item: dict[str, Any]) -> str:
    """The name of a service or of its endpoints, which are called alike."""
    return f"{item['metadata']['name']}.{item['metadata']['namespace']}.{DOMAIN}"


if __name__ == "__main__":
    main()
