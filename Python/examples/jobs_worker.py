"""A worker that counts the words of texts on other nodes. Run it on the machine that computes, beside its daemon.

python jobs_worker.py CLIENT_NODE_ID…       (kachery-p2p-node-info on the client's machine prints its ID)
"""

from __future__ import annotations

import signal
import sys
from collections import Counter
from typing import Any

import kachery_p2p as kp
from kachery_p2p import jobs

worker = jobs.Worker("word-counts", threads=2)


@worker.function("count_words", version="1")
def count_words(text: str, most: int) -> dict[str, Any]:
    """The most frequent words of a text. ``text`` is its URI."""
    content = kp.load_text(text, strict=True)
    assert content is not None
    lines = content.splitlines()
    counts: Counter[str] = Counter()
    for number, line in enumerate(lines, 1):
        counts.update(line.lower().split())
        if number % (len(lines) // 4 or 1) == 0:
            jobs.report_progress(number / len(lines), f"line {number} of {len(lines)}")
    return {"total": sum(counts.values()), "most": counts.most_common(most)}


def main() -> None:
    for node_id in sys.argv[1:]:
        worker.grant(node_id)
    signal.signal(signal.SIGTERM, lambda *_: worker.stop())
    print(worker.uri, flush=True)
    worker.run()


if __name__ == "__main__":
    main()
