"""How feeds and subfeeds are named: ``feed://FEED_ID/SUBFEED_NAME``, and the hash that stands for a subfeed's name."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any, Dict, List, NamedTuple, Optional, Union

from ._errors import BadRequest
from ._json_values import SUBFEED_NAME, plain

SubfeedName = Union[str, Dict[str, Any], List[Any]]

_FEED_ID = re.compile(r"[0-9a-f]{64}\Z")
_HASH = re.compile(r"[0-9a-f]{40}\Z")


class FeedURI(NamedTuple):
    """A feed, and one of its subfeeds where the URI names one."""

    feed_id: str
    subfeed_name: Optional[str]


def parse_feed_uri(uri: str) -> FeedURI:
    """Reads ``feed://FEED_ID[/SUBFEED_NAME]``; the name may hold slashes, and is percent-encoded."""
    from urllib.parse import unquote

    if not uri.startswith("feed://"):
        raise BadRequest(f"'{uri}' is no URI of a feed: it does not begin with feed://.")
    feed_id, _, name = uri[len("feed://") :].partition("?")[0].partition("/")
    if not _FEED_ID.match(feed_id):
        raise BadRequest(f"'{uri}' is no URI of a feed: '{feed_id}' is not 64 hexadecimal digits.")
    return FeedURI(feed_id, unquote(name) or None)


def subfeed_hash(name: SubfeedName) -> str:
    """The hash that stands for a name: that of a string's UTF-8, or of JSON with sorted keys; after ``~`` it is itself.

    JSON is hashed as every published client hashes it, in ASCII, so that all of them mean the same subfeed.
    """
    plain_name = plain(name, SUBFEED_NAME)
    if not isinstance(name, str):
        name = _json(name, plain_name)
    elif name.startswith("~"):
        if not _HASH.match(name[1:]):
            raise BadRequest(f"'{name}' is no subfeed: after ~ there must be 40 hexadecimal digits.")
        return name[1:]
    try:
        return hashlib.sha1(name.encode()).hexdigest()
    except UnicodeEncodeError as error:
        raise BadRequest(
            f"This cannot be a subfeed's name: character {error.start} is half of a surrogate pair, which UTF-8 does not "
            "have; leave it out."
        ) from error


def _json(name: Any, plain_name: Any) -> str:
    """The JSON of a name. The published clients sort the keys before they make strings of them, so it is the name itself
    that they hash alike; what they do not take at all is hashed as plain data."""
    try:
        return json.dumps(name, sort_keys=True, separators=(",", ":"))
    except TypeError:
        return json.dumps(plain_name, sort_keys=True, separators=(",", ":"))


def name_in_uri(name: SubfeedName) -> str:
    """A subfeed's name as it stands in a URI."""
    from urllib.parse import quote

    return quote(name if isinstance(name, str) else f"~{subfeed_hash(name)}")
