"""API keys and rate limits. Both are off unless the settings turn them on."""

import asyncio
import hashlib
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path

from fastapi import Request

from service.api.problems import RequestError, retry_after
from service.api.request_record import RequestRecord, record_of
from service.settings import Settings
from service.telemetry.metrics import Metrics
from service.token_bucket import TokenBucket

MAX_CLIENTS = 10_000  # buckets are kept for so many clients; the least recent one is dropped first
logger = logging.getLogger("singleshot")


class AccessError(Exception):
    """The file of API keys cannot be read; the message names the file and the remedy."""


class Access:
    """Checks the API key and the rate of each request. Raises AccessError if the file of keys is invalid.

    It has no lock, so only one event loop may use it.
    """

    def __init__(self, settings: Settings, metrics: Metrics, clock: Callable[[], float] = time.monotonic) -> None:
        self._file = settings.api_keys_file
        self._change = change_of(self._file) if self._file else None
        self._names = read_keys(self._file) if self._file else None  # digest of the key -> name
        self._rate = settings.rate_limit
        self._burst = settings.rate_burst or max(1, round(settings.rate_limit or 0))
        self._metrics = metrics
        self._clock = clock
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()

    @property
    def has_keys(self) -> bool:
        """Whether clients need a key."""
        return self._file is not None

    async def reload_keys(self) -> None:
        """Read the file of keys again. If it is invalid, the old keys stay."""
        if self._file is None:
            return
        self._change = await asyncio.to_thread(change_of, self._file)
        try:
            self._names = await asyncio.to_thread(read_keys, self._file)
        except AccessError as error:
            self._metrics.api_keys_fault.set(1)
            logger.error("%s; the old keys stay", error, extra={"event": "keys_refused"})
        else:
            self._metrics.api_keys_fault.set(0)
            text = "%s: the keys were read again; there are %d"
            logger.info(text, self._file, len(self._names), extra={"event": "keys_read"})

    async def poll(self) -> None:
        """Read the file of keys again if it has changed."""
        if self._file is not None and await asyncio.to_thread(change_of, self._file) != self._change:
            await self.reload_keys()

    def check(self, request: Request) -> None:
        """Check a request of HTTP; raises RequestError as `admit` does."""
        if not self.is_open:
            self.admit(request.headers, request.client.host if request.client else "", record_of(request.scope))

    @property
    def is_open(self) -> bool:
        """Whether `admit` has nothing to check."""
        return self._names is None and self._rate is None

    def admit(self, headers: Mapping[str, str], address: str, record: RequestRecord) -> None:
        """Check a request by its headers, whose names are in lower case; the record gets the name of the key's holder.

        Raises RequestError: 401 without a valid key, 429 if the client exceeds its rate. With keys, a client is the
        name that belongs to its key; without keys, it is an address.
        """
        self.identify(headers, record)
        client = record.key or f"address {address}"
        if self._rate is not None:
            wait_seconds = self._bucket(client, self._rate).take(self._clock())
            if wait_seconds:
                self._metrics.no_model.rejected["rate"].inc()
                detail = f"more than {self._rate:g} requests a second; send the next one in {wait_seconds:.3g} s"
                raise RequestError(429, detail, retry_after(wait_seconds), reason="rate")

    def identify(self, headers: Mapping[str, str], record: RequestRecord) -> None:
        """Check the key alone; the record gets the name of its holder. Raises RequestError 401."""
        if self._names is None:
            return
        record.key = self._names.get(_digest(_presented_key(headers)), "")
        if not record.key:
            self._metrics.no_model.rejected["key"].inc()
            raise RequestError(
                401,
                "a valid API key is needed: send it as `Authorization: Bearer KEY`",
                {"WWW-Authenticate": "Bearer"},
                reason="key",
            )

    def _bucket(self, client: str, rate: float) -> TokenBucket:
        bucket = self._buckets.setdefault(client, TokenBucket(rate, self._burst, self._clock()))
        self._buckets.move_to_end(client)
        if len(self._buckets) > MAX_CLIENTS:
            self._buckets.popitem(last=False)
        return bucket


def change_of(path: Path) -> tuple[int, int, int] | None:
    """A value that changes with the file, also if it becomes readable; None if there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ctime_ns, found.st_size, found.st_ino


def read_keys(path: Path) -> dict[bytes, str]:
    """Read a file with one line `name key` per client -> {digest of the key: name}; raises AccessError."""
    try:
        lines = [line.split() for line in path.read_text().splitlines() if line.strip() and not line.startswith("#")]
    except (OSError, UnicodeDecodeError) as error:
        raise AccessError(f"{path}: the API keys cannot be read: {error}; set another file or none") from error
    if not lines or any(len(line) != 2 for line in lines):
        raise AccessError(f"{path}: each line should be `name key`, and at least one line is needed")
    return {_digest(key): name for name, key in lines}


def _presented_key(headers: Mapping[str, str]) -> str:
    scheme, _, credentials = headers.get("authorization", "").partition(" ")
    return credentials.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "")


def _digest(key: str) -> bytes:
    """Keys are compared by digest, so that the duration of a comparison reveals nothing about a key."""
    return hashlib.sha256(key.encode()).digest()
