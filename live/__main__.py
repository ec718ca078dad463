"""``python -m live``: builds the server and its weights, and runs it until it is interrupted."""

from __future__ import annotations

import asyncio
import sys

from live import weights
from live.build import FOLDER, NotBuilt, built
from live.server import NotStarted, running


async def _serve() -> None:
    async with running(built()) as server:
        print(f"A1111_URL={server.url}\nOPENAI_URL={server.url}/v1", flush=True)
        await asyncio.Event().wait()


def main() -> int:
    try:
        weights.make(FOLDER / "models")
        if "--build" in sys.argv[1:]:
            print(built())
            return 0
        asyncio.run(_serve())
    except (NotBuilt, NotStarted) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
