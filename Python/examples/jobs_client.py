"""A client that asks a worker to count the words of a text, and follows the progress.

python jobs_client.py FEED_URI TEXT_FILE
"""

import sys
import time

import kachery_p2p as kp
from kachery_p2p import jobs

PATIENCE = 60  # seconds


def main() -> None:
    feed_uri, path = sys.argv[1:]
    text = kp.store_file(path)  # stays on this node until the worker's node fetches it
    client = jobs.Client(feed_uri)
    start = time.monotonic()
    job = client.request("count_words", version="1", text=text, most=3)
    for event in job.events(timeout_sec=PATIENCE):
        what = event.get("text") or event.get("uri") or event.get("error") or ""
        print(f"{time.monotonic() - start:6.3f} s  {event['type']:<9} {what}", flush=True)
    result = job.result()
    print(
        f"{result['total']} words; the most frequent: "
        + ", ".join(f"{word} ({count})" for word, count in result["most"])
    )


if __name__ == "__main__":
    main()
