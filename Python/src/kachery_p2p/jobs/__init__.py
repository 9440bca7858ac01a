"""Running functions on other machines, over feeds.

A worker writes a feed. Clients that it has authorized request a function by name, version and arguments in the subfeed
``requests``. The messages about that request (accepted, progress, result or error) go to a subfeed that is named by
these three. So any client can immediately read an existing result, and nothing runs twice. Results are stored, and
messages contain their kachery URIs.

    worker = jobs.Worker("our-jobs")                       client = jobs.Client("feed://…")

    @worker.function("count", version="1")                 job = client.request("count", version="1", text="aab")
    def count(text):                                       job.result(timeout_sec=60)
        return {letter: text.count(letter) for letter in text}

    worker.run()
"""

from ._client import Client, Job, JobFailed
from ._worker import Worker, report_progress

__all__ = ["Client", "Job", "JobFailed", "Worker", "report_progress"]
