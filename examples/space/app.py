"""A Hugging Face Space that shows the runs of the folder `runs`, read-only, behind a token.

Set the secret EQUIPOISE_TOKEN; without it a token is made at each start, and printed to the log.
"""

import os
from pathlib import Path

from equipoise.view import server


def main() -> None:
    """Serve the runs at the port that a Space publishes."""
    host = os.environ.get("SPACE_HOST", "")
    options = server.ViewOptions(
        token=os.environ.get("EQUIPOISE_TOKEN", ""),
        hosts=(host,) if host else (),
        read_only=True,
    )
    server.serve(Path(__file__).parent / "runs", "0.0.0.0", 7860, options, print, browser=False)


if __name__ == "__main__":
    main()
