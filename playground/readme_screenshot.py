"""``python -m playground.readme_screenshot``: takes the README's screenshot of the playground."""

from __future__ import annotations

import asyncio
from pathlib import Path

from playwright.async_api import expect

from bot import config, logs
from fakes.services import StandIn
from playground.studio import open_studio

PATH = Path("docs/playground.png")
FINISHED = "a lighthouse on a cliff at sunset"
WAITING = "a red fox in a snowy forest at night"


async def take(path: Path) -> None:
    """Show a finished job and one in progress, and save a screenshot at ``path``."""
    settings = config.load({"LOG_LEVEL": "warning"}, env_file=None)
    logs.set_up(settings.log_level, settings.log_format, settings.reader.secrets)
    async with open_studio(settings, StandIn(seconds=None)) as studio:
        from playground.browser import visit
        from playground.live_page import open_page
        from playground.page_server import Controls
        from playground.sample_pictures import SamplePictures
        from playground.service_faults import Switch

        services = studio.services
        controls = Controls(studio.restart, Switch(services), SamplePictures())
        async with (
            open_page(studio.world, port=0, controls=controls) as preview,
            visit(preview.url, width=1200, height=850) as visitor,
        ):
            await visitor.run("imagine", {"prompt": FINISHED, "images": "2", "size": "1216x832"})
            await services.called("ai-client.entry")
            services.finish_all()
            await visitor.pictures(visitor.message(FINISHED), 2)
            await visitor.become("Ben")
            await visitor.run("imagine", {"prompt": WAITING, "images": "3", "seed": "7", "engine": "aithriving/core"})
            await services.called("aithriving.core", 3)
            await expect(visitor.message(WAITING)).to_contain_text("Sent: 3")
            await expect(visitor.samples.locator("img").last).not_to_have_js_property("naturalWidth", 0)
            await visitor.screenshot(path)


if __name__ == "__main__":
    asyncio.run(take(PATH))
