"""Downloads: a few at a time, and each image gets all of its attempts."""

from __future__ import annotations

from itertools import count
from pathlib import Path

from bot.clock import Clock
from bot.jobs.image_fetcher import PATIENCE
from bot.jobs.rate import DOWNLOADS_AT_ONCE
from bot.providers.base import FetchedImage, GeneratedImage
from bot.providers.errors import Unreachable
from tests.doubles.provider import ScriptedProvider
from tests.jobs.conftest import MakeWorkshop


class SlowHost(ScriptedProvider):
    """Each of the first downloads takes ``seconds``. The first one after them fails once."""

    clock: Clock

    def __init__(self, seconds: float, *, slow: int) -> None:
        super().__init__()
        self.seconds = seconds
        self.slow = slow
        self.running = self.most = 0
        self._attempts = count()

    async def fetch(self, image: GeneratedImage, path: Path) -> FetchedImage:
        attempt = next(self._attempts)
        if attempt == self.slow:
            raise Unreachable
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            if attempt < self.slow:
                await self.clock.sleep(self.seconds)
            return await super().fetch(image, path)
        finally:
            self.running -= 1


async def test_all_jobs_of_a_provider_share_a_few_downloads(make_workshop: MakeWorkshop) -> None:
    host = SlowHost(5, slow=30)
    workshop = await make_workshop(host)
    host.clock = workshop.clock
    jobs = [await workshop.imagine(images=10) for _ in range(3)]
    await workshop.finish()
    assert host.most == DOWNLOADS_AT_ONCE
    assert [len((await workshop.view(job)).images) for job in jobs] == [10, 10, 10]


async def test_an_image_that_waited_behind_slow_ones_has_all_of_its_attempts(make_workshop: MakeWorkshop) -> None:
    host = SlowHost(PATIENCE + 60, slow=DOWNLOADS_AT_ONCE)
    workshop = await make_workshop(host)
    host.clock = workshop.clock
    job = await workshop.imagine(images=DOWNLOADS_AT_ONCE + 2)
    await workshop.finish()
    assert len((await workshop.view(job)).images) == DOWNLOADS_AT_ONCE + 2
