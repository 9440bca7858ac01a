"""Feeds that a stand-in daemon keeps in memory. The API is `/feed/*`; messages are not really signed."""

from __future__ import annotations

import hashlib
import json
import threading
from typing import Any, Callable, Dict

from kachery_p2p._feed_names import subfeed_hash
from stand_in import NODE_ID, StandIn

Reply = Dict[str, Any]


class StandInFeeds:
    """Answers `/feed/*` and `/mutable/*`."""

    def __init__(self, server: StandIn) -> None:
        self.changed = threading.Condition()
        self.messages: dict[tuple[str, str], list[dict[str, Any]]] = {}
        self.rules: dict[tuple[str, str], dict[str, Any]] = {}
        self.feeds: dict[str, bool] = {}  # whether the node writes the feed, by its ID
        self.names: dict[str, str] = {}
        self.mutables: dict[str, Any] = {}
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self._requested = threading.Condition()
        for verb in (
            "createFeed", "deleteFeed", "getFeedId", "getFeedInfo", "appendMessages", "submitMessage",
            "getNumLocalMessages", "getAccessRules", "setAccessRules", "watchForNewMessages",
        ):  # fmt: skip
            server.answers[f"/feed/{verb}"] = self._answering(verb, getattr(self, verb))
        server.answers["/mutable/set"] = self._answering("set", self._set)
        server.answers["/mutable/get"] = self._answering("get", self._get)

    def _answering(self, verb: str, handle: Callable[..., dict[str, Any]]) -> Any:
        def answer(request: dict[str, Any]) -> tuple[int, bytes]:
            with self._requested:
                self.requests.append((verb, request))
                self._requested.notify_all()
            return 200, json.dumps({"success": True, **handle(**request)}).encode()

        return answer

    def wait_for_requests(self, verb: str, count: int) -> None:
        """Waits until at least ``count`` requests of this kind have arrived."""

        def have_arrived() -> bool:
            return len([name for name, _ in self.requests if name == verb]) >= count

        with self._requested:
            assert self._requested.wait_for(have_arrived, 30), "the requests did not arrive"

    def createFeed(self, feedName: str | None = None) -> Reply:
        feed_id = hashlib.sha256(f"feed {len(self.feeds)}".encode()).hexdigest()
        self.feeds[feed_id] = True
        if feedName is not None:
            self.names[feedName] = feed_id
        return {"feedId": feed_id}

    def deleteFeed(self, feedId: str) -> Reply:
        return {"success": self.feeds.pop(feedId, None) is not None, "error": "There is no such feed."}

    def getFeedId(self, feedName: str) -> Reply:
        return {"success": feedName in self.names, "feedId": self.names.get(feedName)}

    def getFeedInfo(self, feedId: str, timeoutMsec: int = 6000) -> Reply:
        if feedId not in self.feeds:
            return {"success": False, "error": "No node has it.", "code": "not_found"}
        return {"isWriteable": self.feeds[feedId], "nodeId": NODE_ID}

    def appendMessages(self, feedId: str, subfeedHash: str, messages: list[Any], subfeedName: Any = None) -> Reply:
        if subfeedName is not None and subfeed_hash(subfeedName) != subfeedHash:
            return {"success": False, "error": "This is the name of another subfeed.", "code": "bad_request"}
        with self.changed:
            self.messages.setdefault((feedId, subfeedHash), []).extend(messages)
            self.changed.notify_all()
        return {}

    def submitMessage(self, feedId: str, subfeedHash: str, message: Any, timeoutMsec: int) -> Reply:
        rules = self.rules.get((feedId, subfeedHash), {"rules": []})["rules"]
        if not any(rule["nodeId"] == NODE_ID and rule["write"] for rule in rules):
            return {"success": False, "error": "This node may not write.", "code": "forbidden"}
        return self.appendMessages(feedId, subfeedHash, [message])

    def getNumLocalMessages(self, feedId: str, subfeedHash: str) -> Reply:
        return {"numMessages": len(self.messages.get((feedId, subfeedHash), []))}

    def getAccessRules(self, feedId: str, subfeedHash: str) -> Reply:
        return {"accessRules": self.rules.get((feedId, subfeedHash), {"rules": []})}

    def setAccessRules(self, feedId: str, subfeedHash: str, accessRules: dict[str, Any]) -> Reply:
        self.rules[feedId, subfeedHash] = accessRules
        return {}

    def watchForNewMessages(
        self, subfeedWatches: dict[str, Any], waitMsec: float, signed: bool = False, maxNumMessages: int = 0
    ) -> Reply:
        def found() -> dict[str, list[Any]]:
            all_new: dict[str, list[Any]] = {}
            for name, watch in subfeedWatches.items():
                new = self.messages.get((watch["feedId"], watch["subfeedHash"]), [])[watch["position"] :]
                if maxNumMessages > 0:
                    new = new[:maxNumMessages]
                if new:
                    all_new[name] = [{"body": {"message": m}, "signature": "00"} for m in new] if signed else new
            return all_new

        with self.changed:
            return {"messages": self.changed.wait_for(found, waitMsec / 1000) or {}}

    def _set(self, key: Any, value: Any, update: bool = True) -> Reply:
        name = json.dumps(key, sort_keys=True)
        if not update and name in self.mutables:
            return {"success": False}
        self.mutables[name] = value
        return {}

    def _get(self, key: Any) -> Reply:
        name = json.dumps(key, sort_keys=True)
        return {"found": name in self.mutables, "value": self.mutables.get(name, "")}
