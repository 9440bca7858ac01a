"""The calls for asyncio."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import numpy as np
import pytest

import kachery_p2p as kp
from kachery_p2p import aio
from stand_in import StandIn
from stand_in_feeds import StandInFeeds


@pytest.fixture
def feeds(stand_in: StandIn) -> StandInFeeds:
    return StandInFeeds(stand_in)


def test_every_kind_comes_back(offline: Path, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.txt").write_text("a")

    async def work() -> None:
        text, array, pickled = await asyncio.gather(
            aio.store_text("x"), aio.store_npy(np.arange(3)), aio.store_pkl([1])
        )
        assert await aio.load_text(text) == "x"
        assert np.array_equal(await aio.load_npy(array, mmap_mode="r"), np.arange(3))
        assert await aio.load_pkl(pickled) == [1]
        assert await aio.load_bytes(text, 0, 1) == b"x"
        assert await aio.load_file("sha1://" + "0" * 40) is None
        with pytest.raises(kp.NotFound):
            await aio.load_file("sha1://" + "0" * 40, strict=True)
        folder = await aio.store_dir(str(tmp_path / "folder"))
        assert await aio.read_dir(folder) == {"files": {"a.txt": ANY}, "dirs": {}}

    asyncio.run(work())


def test_each_call_is_the_one_of_its_name() -> None:
    for name in dir(aio):
        if name in kp.__all__ and callable(getattr(aio, name)):
            assert asyncio.iscoroutinefunction(getattr(aio, name)) or name in ("find_file", "message_stream"), name


def test_nodes_are_found_one_after_the_other(stand_in: StandIn) -> None:
    stand_in.answer("/findFile", b'12#{"nodeId":1}12#{"nodeId":2}')

    async def work() -> list[Any]:
        return [node async for node in aio.find_file("sha1://" + "1" * 40)]

    assert asyncio.run(work()) == [{"nodeId": 1}, {"nodeId": 2}]


def test_hundreds_of_tasks_wait_on_one_thread(feeds: StandInFeeds) -> None:
    feed = kp.create_feed()
    before = threading.active_count()
    watch = {"feedId": feed.get_feed_id(), "subfeedName": "main", "position": 0}

    async def wait() -> dict[str, Any]:
        return await aio.watch_for_new_messages({"w": watch}, wait_msec=30_000)

    async def work() -> tuple[list[Any], list[threading.Thread]]:
        tasks = [asyncio.create_task(wait()) for _ in range(200)]
        await asyncio.to_thread(feeds.wait_for_requests, "watchForNewMessages", 200)
        ours = [thread for thread in threading.enumerate() if thread.name.startswith("asyncio")]
        await aio.append_messages(feed.get_subfeed("main"), [{"n": 1}])
        return await asyncio.gather(*tasks), ours

    answers, ours = asyncio.run(asyncio.wait_for(work(), 60))
    assert answers == [{"w": [{"n": 1}]}] * 200
    assert len(ours) < 40 and before < 40


def test_messages_stream(feeds: StandInFeeds) -> None:
    subfeed = kp.create_feed().get_subfeed("main")
    subfeed.append_message({"n": 0})

    async def work() -> None:
        stream = aio.message_stream(subfeed)
        assert await stream.__anext__() == {"n": 0}
        later = asyncio.create_task(stream.__anext__())
        await aio.append_messages(subfeed, [{"n": 1}])
        assert await asyncio.wait_for(later, 20) == {"n": 1}
        assert subfeed.get_position() == 2
        await stream.aclose()

    asyncio.run(work())


def test_a_new_token_is_read_where_the_old_one_is_refused(feeds: StandInFeeds, stand_in: StandIn) -> None:
    feed = kp.create_feed()
    stand_in.token = "second"
    stand_in.write_token()
    watch = {"feedId": feed.get_feed_id(), "subfeedName": "main", "position": 0}
    assert asyncio.run(aio.watch_for_new_messages({"w": watch}, wait_msec=0)) == {}
    stand_in.token = "third"
    with pytest.raises(kp.Forbidden):
        asyncio.run(aio.watch_for_new_messages({"w": watch}, wait_msec=0))


def test_failures_are_those_of_the_other_calls(feeds: StandInFeeds, stand_in: StandIn) -> None:
    watch = {"feedId": "f" * 64, "subfeedName": "main", "position": 0}

    def ask() -> None:
        asyncio.run(aio.watch_for_new_messages({"w": watch}, wait_msec=0))

    stand_in.answer("/feed/watchForNewMessages", {"success": False, "error": "It is full.", "code": "disk_full"})
    with pytest.raises(kp.DiskFull, match="full"):
        ask()
    stand_in.answer("/feed/watchForNewMessages", b"Too much.", status=413)
    with pytest.raises(kp.TooLarge):
        ask()
    stand_in.answer("/feed/watchForNewMessages", b"{}", headers={"Content-Length": "9"})
    with pytest.raises(kp.KacheryError):
        ask()
