"""AsyncClient with the methods of Client, so that both pass the same tests."""

import asyncio
from collections.abc import Iterator
from typing import Any, Self, TypeAlias

from singleshot import AsyncClient, Client, Detections, ServedModel


class AwaitedClient:
    """Awaits each call in an event loop of its own."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self._runner = asyncio.Runner()
        self._client = AsyncClient(*args, **options)

    def detect(self, picture: Any, **options: Any) -> Detections:
        return self._runner.run(self._client.detect(picture, **options))

    def detect_many(self, pictures: Any, **options: Any) -> Iterator[Detections | Exception]:
        return self._iterate(self._client.detect_many(pictures, **options))

    def _iterate(self, results: Any) -> Iterator[Detections | Exception]:
        async def following() -> Detections | Exception | None:
            return await anext(results, None)

        try:
            while (result := self._runner.run(following())) is not None:
                yield result
        finally:
            self._runner.run(results.aclose())

    def models(self) -> list[ServedModel]:
        return self._runner.run(self._client.models())

    def is_ready(self) -> bool:
        return self._runner.run(self._client.is_ready())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._client.close())
        self._runner.close()


AnyClient: TypeAlias = type[Client] | type[AwaitedClient]
