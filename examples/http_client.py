"""Fill a photo on a server: python examples/http_client.py http://127.0.0.1:7860 PHOTO MASK OUT.

The server is started by `python -m inpaint serve --no-page`, or by `python app.py` with the page.
"""

import json
import sys
from pathlib import Path

import httpx  # comes with gradio; any HTTP client does


def main(server: str, photo: str, mask: str, output: str) -> int:
    """Send photo and mask, write the reply; returns 1 and shows the server's sentence if it refuses."""
    files = {"photo": Path(photo).read_bytes(), "mask": Path(mask).read_bytes()}
    reply = httpx.post(f"{server}/v1/fill", files=files, data={"dilate": "2"}, timeout=300)
    if reply.status_code != 200:
        print(f"{reply.status_code}: {reply.text}")
        return 1
    Path(output).write_bytes(reply.content)
    print(json.loads(reply.headers["X-Inpaint-Report"]))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
