"""Names of feeds and subfeeds: ``feed://FEED_ID/SUBFEED_NAME``, and the hash that identifies a subfeed."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any, Dict, List, NamedTuple, Union

from ._errors import BadRequest
from ._json_values import SUBFEED_NAME, plain

SubfeedName = Union[str, Dict[str, Any], List[Any]]

_FEED_ID = re.compile(r"[0-9a-f]{64}\Z")
_HASH = re.compile(r"[0-9a-f]{40}\Z")


class FeedURI(NamedTuple):
    """A feed, and the subfeed if the URI names one."""

    feed_id: str
    subfeed_name: str | None


def parse_feed_uri(uri: str) -> FeedURI:
    """Parses ``feed://FEED_ID[/SUBFEED_NAME]``. The name may contain slashes, and is percent-encoded."""
    from urllib.parse import unquote

    if not uri.startswith("feed://"):
        raise BadRequest(f"'{uri}' is not a feed URI: it does not begin with feed://.")
    feed_id, _, name = uri[len("feed://") :].partition("?")[0].partition("/")
    if not _FEED_ID.match(feed_id):
        raise BadRequest(f"'{uri}' is not a feed URI: '{feed_id}' is not 64 hexadecimal digits.")
    return FeedURI(feed_id, unquote(name) or None)


def check_feed_name(name: str) -> None:
    """Raises ``BadRequest`` for a name by which a feed could not be found."""
    if not isinstance(name, str) or not name:
        raise BadRequest("A feed's name is text that is not empty; leave it out for a feed without a name.")
    if "://" in name:
        raise BadRequest(f"'{name}' cannot be a feed's name, because it would be taken for a URI; leave out the ://.")


def subfeed_hash(name: SubfeedName) -> str:
    """The hash that identifies a subfeed.

    A string is hashed as UTF-8, any other name as JSON with sorted keys. The name ``~HASH`` stands for that hash.
    JSON is written in ASCII, as by every published client, so that all clients compute the same hash.
    """
    plain_name = plain(name, SUBFEED_NAME)
    if name == "":
        raise BadRequest("A subfeed's name cannot be empty.")
    if not isinstance(name, str):
        name = _json(name, plain_name)
    elif name.startswith("~"):
        if not _HASH.match(name[1:]):
            raise BadRequest(f"'{name}' is not a subfeed's name: ~ must be followed by 40 hexadecimal digits.")
        return name[1:]
    try:
        return hashlib.sha1(name.encode()).hexdigest()
    except UnicodeEncodeError as error:
        raise BadRequest(
            f"This cannot be a subfeed's name: character {error.start} is half of a surrogate pair, which UTF-8 cannot "
            "encode; leave it out."
        ) from error


def _json(name: Any, plain_name: Any) -> str:
    """The JSON of a name.

    The published clients sort the keys before they convert them to strings, so the name itself is encoded first. A name
    that they cannot encode is encoded as plain data.
    """
    try:
        return json.dumps(name, sort_keys=True, separators=(",", ":"))
    except TypeError:
        return json.dumps(plain_name, sort_keys=True, separators=(",", ":"))


def name_in_uri(name: SubfeedName) -> str:
    """A subfeed's name as it appears in a URI."""
    from urllib.parse import quote

    return quote(name if isinstance(name, str) else f"~{subfeed_hash(name)}")
