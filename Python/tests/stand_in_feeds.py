"""Feeds that a stand-in daemon keeps in memory, as `/feed/*` is specified; messages are signed by nobody."""

from __future__ import annotations

import hashlib
import json
import threading
from typing import Any, Callable, Dict, List, Tuple

from stand_in import NODE_ID, StandIn


class StandInFeeds:
    """Answers `/feed/*` and `/mutable/*`."""

    def __init__(self, server: StandIn) -> None:
        self.changed = threading.Condition()
        self.messages: Dict[Tuple[str, str], List[Dict[str, Any]]] = {}
        self.rules: Dict[Tuple[str, str], Dict[str, Any]] = {}
        self.feeds: Dict[str, bool] = {}  # by ID, whether the node writes it
        self.names: Dict[str, str] = {}
        self.mutables: Dict[str, Any] = {}
        self.requests: List[Tuple[str, Dict[str, Any]]] = []
        for verb in (
            "createFeed", "deleteFeed", "getFeedId", "getFeedInfo", "appendMessages", "submitMessage",
            "getNumLocalMessages", "getAccessRules", "setAccessRules", "watchForNewMessages",
        ):  # fmt: skip
            server.answers[f"/feed/{verb}"] = self._answering(verb, getattr(self, verb))
        server.answers["/mutable/set"] = self._answering("set", self._set)
        server.answers["/mutable/get"] = self._answering("get", self._get)

    def _answering(self, verb: str, handle: Callable[..., Dict[str, Any]]) -> Any:
        def answer(request: Dict[str, Any]) -> Tuple[int, bytes]:
            self.requests.append((verb, request))
            return 200, json.dumps({"success": True, **handle(**request)}).encode()

        return answer

    def createFeed(self, feedName=None):
        feed_id = hashlib.sha256(f"feed {len(self.feeds)}".encode()).hexdigest()
        self.feeds[feed_id] = True
        if feedName is not None:
            self.names[feedName] = feed_id
        return {"feedId": feed_id}

    def deleteFeed(self, feedId):
        return {"success": self.feeds.pop(feedId, None) is not None, "error": "There is no such feed."}

    def getFeedId(self, feedName):
        return {"success": feedName in self.names, "feedId": self.names.get(feedName)}

    def getFeedInfo(self, feedId, timeoutMsec=6000):
        if feedId not in self.feeds:
            return {"success": False, "error": "Nobody has it.", "code": "not_found"}
        return {"isWriteable": self.feeds[feedId], "nodeId": NODE_ID}

    def appendMessages(self, feedId, subfeedHash, messages):
        with self.changed:
            self.messages.setdefault((feedId, subfeedHash), []).extend(messages)
            self.changed.notify_all()
        return {}

    def submitMessage(self, feedId, subfeedHash, message, timeoutMsec):
        rules = self.rules.get((feedId, subfeedHash), {"rules": []})["rules"]
        if not any(rule["nodeId"] == NODE_ID and rule["write"] for rule in rules):
            return {"success": False, "error": "This node may not write.", "code": "forbidden"}
        return self.appendMessages(feedId, subfeedHash, [message])

    def getNumLocalMessages(self, feedId, subfeedHash):
        return {"numMessages": len(self.messages.get((feedId, subfeedHash), []))}

    def getAccessRules(self, feedId, subfeedHash):
        return {"accessRules": self.rules.get((feedId, subfeedHash), {"rules": []})}

    def setAccessRules(self, feedId, subfeedHash, accessRules):
        self.rules[feedId, subfeedHash] = accessRules
        return {}

    def watchForNewMessages(self, subfeedWatches, waitMsec, signed=False, maxNumMessages=0):
        def found():
            all_new = {}
            for name, watch in subfeedWatches.items():
                new = self.messages.get((watch["feedId"], watch["subfeedHash"]), [])[watch["position"] :]
                if maxNumMessages > 0:
                    new = new[:maxNumMessages]
                if new:
                    all_new[name] = [{"body": {"message": m}, "signature": "00"} for m in new] if signed else new
            return all_new

        with self.changed:
            return {"messages": self.changed.wait_for(found, waitMsec / 1000) or {}}

    def _set(self, key, value, update=True):
        name = json.dumps(key, sort_keys=True)
        if not update and name in self.mutables:
            return {"success": False}
        self.mutables[name] = value
        return {}

    def _get(self, key):
        name = json.dumps(key, sort_keys=True)
        return {"found": name in self.mutables, "value": self.mutables.get(name, "")}
