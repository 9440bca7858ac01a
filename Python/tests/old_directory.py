"""A storage directory as older software left it, written byte by byte, and a description for later comparison.

The keys are those of the test vectors in RFC 8032, section 7.1, so nothing here depends on this project's own code.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import sqlite3
import subprocess
import tempfile
from pathlib import Path
from typing import Any

LONG_AGO = 1_614_000_000  # seconds since 1970, so that new writes are visible
CHUNK = 20_000_000
NODE_SECRET = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
NODE_ID = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
FEED_SECRET = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
FEED_ID = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
CHANNEL = "old-lab-6f1e"
MUTABLES: list[tuple[Any, Any]] = [
    ("plain", "a text"),
    ({"type": "result", "n": 3}, {"mean": 1.5, "names": ["ü", None]}),
    (
        "_joined_channels_config",
        {
            "joinedChannels": [
                {"channelConfigUrl": CHANNEL, "isMessageProxy": False, "isDataProxy": False, "isPublic": False}
            ]
        },
    ),
    ({"feedId": FEED_ID, "type": "feedConfig"}, {"feedId": FEED_ID, "privateKey": FEED_SECRET.hex()}),
    ({"feedName": "notebook", "type": "feedIdForName"}, FEED_ID),
]


def canonical(value: Any) -> str:
    """RFC 8785 for the values in this file, whose names and numbers Python and ECMAScript write alike."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def sha1(data: bytes) -> str:
    return hashlib.sha1(data).hexdigest()


def private_pem(secret: bytes) -> str:
    return pem("PRIVATE KEY", bytes.fromhex("302e020100300506032b657004220420") + secret)


def public_pem(node_id: str) -> str:
    return pem("PUBLIC KEY", bytes.fromhex("302a300506032b6570032100") + bytes.fromhex(node_id))


def pem(kind: str, der: bytes) -> str:
    return f"-----BEGIN {kind}-----\n{base64.b64encode(der).decode()}\n-----END {kind}-----\n"


class OldDirectory:
    """The directory, and what older software knew about its contents."""

    def __init__(self, root: Path, shared: Path) -> None:
        self.root = root
        self.text = "written in 2021 ✓"
        self.large = b"".join(hashlib.sha256(str(n).encode()).digest() * 1000 for n in range(45_000_000 // 32_000 + 1))
        self.large = self.large[:45_000_000]
        root.mkdir(parents=True)
        self._write_identity()
        self.text_uri = f"sha1://{self._store(self.text.encode())}/note.txt"
        self.manifest = self._store(self._manifest(self.large))
        self.large_uri = f"sha1://{self._store(self.large)}/recording.dat?manifest={self.manifest}"
        shared.mkdir(parents=True)
        self.linked = b"shared without a copy " * 1000
        self.linked_uri = self._link(shared / "linked.dat", self.linked)
        self.changed_uri = self._link(shared / "changed.dat", b"as it was")
        (shared / "changed.dat").write_bytes(b"as it is!")
        # Remains of an interrupted upload by older software, and a file of the user.
        (root / "sha1" / "00" / "11" / "22").mkdir(parents=True)
        (root / "sha1" / "00" / "11" / "22" / f"{'0' * 40}.uploading.xyz").write_bytes(b"half a")
        (root / "README.txt").write_text("Do not delete!\n")
        (root / "kachery.yaml").write_text("# the disk has 1 TB\nmaxCacheSizeGiB: 500\n")
        self._write_mutables()
        self.messages = self._write_feeds()
        for path in root.rglob("*"):
            os.utime(path, (LONG_AGO, LONG_AGO))

    def _write_identity(self) -> None:
        for name, content, mode in [
            ("private.pem", private_pem(NODE_SECRET), 0o600),
            ("public.pem", public_pem(NODE_ID), 0o600),
            ("kachery-node-id", NODE_ID, 0o644),
            ("client-auth", "token-of-2021", 0o640),
        ]:
            (self.root / name).write_text(content)
            (self.root / name).chmod(mode)

    def _folder(self, digest: str) -> Path:
        folder = self.root / "sha1" / digest[:2] / digest[2:4] / digest[4:6]
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _store(self, data: bytes) -> str:
        digest = sha1(data)
        (self._folder(digest) / digest).write_bytes(data)
        return digest

    def _manifest(self, data: bytes) -> bytes:
        starts = range(0, len(data), CHUNK)
        chunks = [(start, min(start + CHUNK, len(data))) for start in starts]
        document = {
            "size": len(data),
            "sha1": sha1(data),
            "chunks": [{"start": start, "end": end, "sha1": sha1(data[start:end])} for start, end in chunks],
        }
        return json.dumps(document, separators=(",", ":")).encode()

    def _link(self, path: Path, data: bytes) -> str:
        path.write_bytes(data)
        os.utime(path, (LONG_AGO, LONG_AGO))
        digest = sha1(data)
        link = {"path": str(path), "manifestSha1": None, "stat": {"size": len(data), "mtime": LONG_AGO}}
        (self._folder(digest) / f"{digest}.link").write_text(json.dumps(link))
        return f"sha1://{digest}/{path.name}"

    def _write_mutables(self) -> None:
        with Database(self.root / "mutables.db") as database:
            database.execute("CREATE TABLE mutables (sha1 TEXT PRIMARY KEY, key TEXT, value TEXT) WITHOUT ROWID")
            for key, value in MUTABLES:
                name = canonical(key)
                row = (sha1(name.encode()), name, canonical(value))
                database.execute("INSERT INTO mutables VALUES (?, ?, ?)", row)

    def _write_feeds(self) -> list[dict[str, Any]]:
        subfeed = sha1(b"main")
        messages = sign_messages([{"step": n, "note": f"entry {n} ✓"} for n in range(3)])
        with Database(self.root / "feeds.db") as database:
            database.executescript(
                """
                CREATE TABLE feeds (feedId TEXT PRIMARY KEY) WITHOUT ROWID;
                CREATE TABLE subfeeds (feedId TEXT, subfeedHash TEXT, accessRules TEXT,
                  PRIMARY KEY (feedId, subfeedHash),
                  FOREIGN KEY (feedId) REFERENCES feeds (feedId) ON DELETE CASCADE) WITHOUT ROWID;
                CREATE TABLE subfeedMessages (feedId TEXT, subfeedHash TEXT, position INTEGER, message TEXT,
                  PRIMARY KEY (feedId, subfeedHash, position),
                  FOREIGN KEY (feedId, subfeedHash) REFERENCES subfeeds (feedId, subfeedHash) ON DELETE CASCADE)
                  WITHOUT ROWID;
                """
            )
            database.execute("INSERT INTO feeds VALUES (?)", (FEED_ID,))
            database.execute("INSERT INTO subfeeds VALUES (?, ?, ?)", (FEED_ID, subfeed, '{"rules":[]}'))
            for position, message in enumerate(messages):
                row = (FEED_ID, subfeed, position, json.dumps(message, separators=(",", ":")))
                database.execute("INSERT INTO subfeedMessages VALUES (?, ?, ?, ?)", row)
        return messages

    def picture(self) -> dict[str, tuple[Any, ...]]:
        """The mode, owner, times and bytes of every file, except for the token, which has to change.

        The root itself is left out, because new names may appear in it. A table may be added to `feeds.db`, so only
        the tables of older software are compared.
        """
        return {
            str(path.relative_to(self.root)): describe_feeds(path) if path.name == "feeds.db" else describe(path)
            for path in sorted(self.root.rglob("*"))
            if path.name != "client-auth"
        }


class Database:
    """A database with SQLite's default settings, readable by its owner only."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> sqlite3.Connection:
        self.connection = sqlite3.connect(self.path)
        return self.connection

    def __exit__(self, *_: object) -> None:
        self.connection.commit()
        self.connection.close()
        self.path.chmod(0o600)


def describe(path: Path) -> tuple[Any, ...]:
    status = path.lstat()
    content = sha1(path.read_bytes()) if path.is_file() else None
    return (oct(status.st_mode), status.st_uid, status.st_gid, status.st_ino, status.st_mtime_ns, content)


def describe_feeds(path: Path) -> tuple[Any, ...]:
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    # The two tables are ours; older software ignores them.
    ours = "('feedForks', 'subfeedStatements')"
    old = f"SELECT name, sql FROM sqlite_schema WHERE tbl_name NOT IN {ours} ORDER BY name"
    schema = connection.execute(old).fetchall()
    rows = [connection.execute(f"SELECT * FROM {name} ").fetchall() for name, _ in schema]
    journal = connection.execute("PRAGMA journal_mode").fetchone()
    connection.close()
    status = path.lstat()
    return (oct(status.st_mode), status.st_uid, status.st_gid, status.st_ino, schema, rows, journal)


def sign_messages(contents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Signed messages of the feed, each with the previous message's signature."""
    messages: list[dict[str, Any]] = []
    for number, content in enumerate(contents):
        body: dict[str, Any] = {"messageNumber": number, "message": content, "timestamp": LONG_AGO * 1000 + number}
        if messages:
            body = {"previousSignature": messages[-1]["signature"], **body}
        messages.append({"body": body, "signature": sign(FEED_SECRET, canonical(body).encode())})
    return messages


def sign(secret: bytes, data: bytes) -> str:
    """An Ed25519 signature from the openssl command."""
    with tempfile.TemporaryDirectory() as folder:
        key, message = Path(folder) / "key.pem", Path(folder) / "message"
        key.write_text(private_pem(secret))
        message.write_bytes(data)
        command = ["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", str(key), "-in", str(message)]
        return subprocess.run(command, capture_output=True, check=True).stdout.hex()
