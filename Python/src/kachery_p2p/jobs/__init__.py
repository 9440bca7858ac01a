"""Running functions on other machines, over feeds.

A worker writes a feed. Whoever it lets in asks, in the subfeed ``requests``, for a function by name, version and
arguments. Everything about that request (accepted, progress, result or error) goes into a subfeed that is named by the
three; so a result that is there already is read at once, by anybody, and nothing runs twice. Results are stored, and
travel as kachery URIs.

    worker = jobs.Worker("our-jobs")                       client = jobs.Client("feed://…")

    @worker.function("count", version="1")                 job = client.request("count", version="1", text="aab")
    def count(text):                                       job.result(timeout_sec=60)
        return {letter: text.count(letter) for letter in text}

    worker.run()
"""

from ._client import Client, Job, JobFailed
from ._worker import Worker, report_progress

__all__ = ["Client", "Job", "JobFailed", "Worker", "report_progress"]
