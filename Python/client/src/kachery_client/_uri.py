"""The parts of a URI."""

from __future__ import annotations

from kachery_p2p import BadRequest


class KacheryUri:
    """The parts of ``sha1://HASH/NAME``.

    Example:
        >>> kc.KacheryUri(algorithm="sha1", hash="b5" * 20, filename="notes.txt").emit_uri()
        'sha1://b5b5b5b5b5b5b5b5b5b5b5b5b5b5b5b5b5b5b5b5/notes.txt'
    """

    def __init__(self, *, algorithm: str, hash: str, filename: str) -> None:
        if algorithm.lower() != "sha1":
            raise BadRequest(f"'{algorithm}' is not an algorithm of kachery URIs; use sha1.")
        self.algorithm = algorithm
        self.hash = hash
        self.filename = filename

    def emit_uri(self) -> str:
        """The URI with these parts."""
        return f"{self.algorithm}://{self.hash}/{self.filename}"

    def __str__(self) -> str:
        return self.emit_uri()

    def __repr__(self) -> str:
        return f"KacheryUri(algorithm={self.algorithm!r}, hash={self.hash!r}, filename={self.filename!r})"


def parse_uri(uri: str) -> KacheryUri:
    """Splits a URI. Everything after the hash, including a query, is part of the name.

    Example:
        >>> kc.parse_uri("sha1://b56398a89f7f53e862d3832d2d14bbf976db6ce7/notes.txt").filename
        'notes.txt'
    """
    algorithm, separator, rest = uri.partition("://")
    if not separator:
        raise BadRequest(f"'{uri}' is not a kachery URI: it does not begin with sha1://.")
    digest, _, filename = rest.partition("/")
    return KacheryUri(algorithm=algorithm.lower(), hash=digest, filename=filename)


def build_uri(uri_object: KacheryUri) -> str:
    """Joins the parts of a URI.

    Example:
        >>> kc.build_uri(kc.parse_uri("sha1://b56398a89f7f53e862d3832d2d14bbf976db6ce7/notes.txt"))
        'sha1://b56398a89f7f53e862d3832d2d14bbf976db6ce7/notes.txt'
    """
    return uri_object.emit_uri()
