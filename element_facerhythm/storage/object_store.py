"""An object store as DataJoint describes it, with the few things that are done with it here."""

import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from element_facerhythm.database.datajoint import import_datajoint
from element_facerhythm.errors import ConfigurationError, ProcessingError
from element_facerhythm.linking import STORE_NAME, store_is_remote
from element_facerhythm.storage.etag import PART_BYTES, tag_agrees
from element_facerhythm.storage.retry import redacted, store_errors, store_label, with_retries

dj: Any = import_datajoint()

ROOT = "facerhythm"
"""First part of the name of every object of this package; DataJoint's own are `_hash` and `_schema`."""

ANNOUNCEMENT_LIFE = timedelta(minutes=15)
"""An announcement older than that was left by a collector that died; see `announced`."""

COLLECTOR_LEASE_S = 60.0
"""How long after its announcement a collector may remove what it announced."""


@dataclass(frozen=True)
class StoredObject:
    """An object: name below the store's location, size, and when it was written, by the store's clock."""

    name: str
    size_bytes: int
    modified: datetime


def configured_store(config: Any = None) -> "ObjectStore | None":
    """Return the store `facerhythm` where it is an object store; None where it is a directory.

    Parameters
    ----------
    config
        DataJoint's configuration; that of this process if left out.

    Raises
    ------
    ConfigurationError
        Its description is incomplete, or the package that talks to it is missing.
    """
    config = dj.config if config is None else config
    if not store_is_remote(config.stores):
        return None
    try:
        spec = config.get_store_spec(STORE_NAME)
    except dj.DataJointError as error:
        raise ConfigurationError(f"DataJoint store {STORE_NAME!r}: {error}") from error
    return ObjectStore({**spec, "protocol": spec["protocol"].lower()})


class ObjectStore:
    """Objects below one location, named by the digest of their content.

    Every method that talks to the store tries again where that can help, and raises
    `ConfigurationError` where the store refuses and `ProcessingError` where it does not answer.
    """

    def __init__(self, spec: Mapping[str, Any]) -> None:
        self.spec = dict(spec)
        self.spec["location"] = str(spec.get("location") or "").strip("/")
        from datajoint.storage import StorageBackend

        try:
            self.backend = StorageBackend(self.spec)
            self.fs = self.backend.fs
            if self.spec["protocol"] == "s3":
                set_up_s3(self.fs)
        except dj.DataJointError as error:
            raise ConfigurationError(f"DataJoint store {STORE_NAME!r}: {error}") from error
        except ImportError as error:
            raise ConfigurationError(
                f"the DataJoint store {STORE_NAME!r} speaks {self.spec['protocol']!r}, and the "
                f'package for it is not installed ({error}); for s3: pip install "element-facerhythm[s3]"'
            ) from error

    def __str__(self) -> str:
        return store_label(self.spec)

    # ------------------------------------------------------------------ objects

    def put(self, path: Path, name: str, size_bytes: int) -> None:
        """Upload a file unless the object exists; refresh its modification time either way.

        An object that exists gets a new modification time, so that a garbage collection that is under way
        keeps it; see the decision record for why that is enough.

        Parameters
        ----------
        path
            The file; its content belongs to the name, for good.
        name
            Name of the object.
        size_bytes
            Size of the file.
        """
        what = f"{path} cannot be put into the"
        remedy = (
            "What was computed stays in the project directory: when the store answers again, the same work "
            "goes on from there"
        )
        while True:
            with_retries(
                lambda: self._send_or_refresh(path, name, size_bytes), what, self.spec, remedy
            )
            if not self._wait_for_collector(name):
                return

    def put_text(self, name: str, text: str) -> None:
        """As `put`, for a short text; it is always sent.

        Parameters
        ----------
        name
            Name of the object.
        text
            Its content, stored as UTF-8.
        """
        while True:
            self._write(name, text.encode())
            if not self._wait_for_collector(name):
                return

    def ensure(self, path: Path, name: str, size_bytes: int) -> None:
        """As `put`, for a content that a committed row refers to: what is there is left as it is.

        Parameters
        ----------
        path, name, size_bytes
            As of `put`; an object of another size counts as none.
        """
        there = self.look(name)
        if there is None or there.size_bytes != size_bytes:
            self.put(path, name, size_bytes)

    def download(self, name: str, path: Path) -> None:
        """Copy an object to a path; nothing larger than a part is in memory.

        Parameters
        ----------
        name
            Name of the object.
        path
            The file to write.

        Raises
        ------
        ProcessingError
            There is no such object.
        """
        if self.look(name) is None:
            raise ProcessingError(
                f"object {name} is not in the {self}; it held what a row refers to. Restore it from a "
                "backup, or delete the row and populate again"
            )
        what = f"object {name} cannot be read from the"
        with_retries(lambda: self.backend.get_file(name, path), what, self.spec)

    def look(self, name: str) -> StoredObject | None:
        """Return name, size and time of an object; None where there is none."""
        return with_retries(
            lambda: self._look(name), f"object {name} cannot be looked at in the", self.spec
        )

    def listing(self, section: str) -> list[StoredObject]:
        """Return every object of a section."""
        base = self.backend._full_path("").rstrip("/")

        def find() -> list[StoredObject]:
            self.fs.invalidate_cache()
            try:
                found = self.fs.find(self.backend._full_path(f"{ROOT}/{section}"), detail=True)
            except FileNotFoundError:
                self.fs.ls(base.split("/")[0])  # is it the bucket that is missing?
                return []
            return [
                StoredObject(path.removeprefix(f"{base}/"), int(info["size"]), modified(info))
                for path, info in found.items()
                if info["type"] == "file"  # an empty section may be listed itself, as a directory
            ]

        return sorted(
            with_retries(find, "objects cannot be listed in the", self.spec), key=lambda o: o.name
        )

    def remove_once(self, name: str) -> None:
        """Delete an object, and do not try again: a collector's time to do so is limited."""
        try:
            self.backend.remove(name)
        except store_errors() as error:
            raise ProcessingError(
                f"object {name} cannot be deleted from the {self}: {redacted(error, self.spec)}"
            ) from error

    def remove(self, name: str) -> None:
        """Delete an object; none is fine as well."""
        with_retries(
            lambda: self.backend.remove(name),
            f"object {name} cannot be deleted from the",
            self.spec,
        )

    def _write(self, name: str, content: bytes) -> None:
        """Write a small object."""
        what = f"object {name} cannot be written to the"
        with_retries(lambda: self.backend.put_buffer(content, name), what, self.spec)

    def read(self, name: str) -> bytes | None:
        """Read a small object; None where there is none."""

        def get() -> bytes | None:
            try:
                return bytes(self.fs.cat_file(self.backend._full_path(name)))
            except FileNotFoundError:
                return None

        return with_retries(get, f"object {name} cannot be read from the", self.spec)

    def clock(self, section: str) -> datetime:
        """Return the time by the store's own clock, by which the ages of objects are measured."""
        name = f"{ROOT}/{section}/clock/{uuid.uuid4().hex}"
        self._write(name, b"time")
        probe = self.look(name)
        self.remove(name)
        if probe is None:
            raise ProcessingError(f"the {self} loses what was just written to it ({name})")
        return probe.modified

    def check(self) -> None:
        """Write, read and delete a small object; the errors say what does not work."""
        name, content = f"{ROOT}/check/{uuid.uuid4().hex}", uuid.uuid4().bytes
        self._write(name, content)
        back = self.read(name)
        self.remove(name)
        if back != content:
            raise ProcessingError(f"the {self} does not return what was written to it")

    # ------------------------------------------------------------------ how an object comes to be there

    def _look(self, name: str) -> StoredObject | None:
        self.fs.invalidate_cache()
        try:
            info = self.fs.info(self.backend._full_path(name))
        except FileNotFoundError:
            return None
        return StoredObject(name, int(info["size"]), modified(info))

    def _send_or_refresh(self, path: Path, name: str, size_bytes: int) -> None:
        there = self._look(name)
        if there is not None and there.size_bytes == size_bytes and self._refresh(name):
            there = self._look(name)
            if there is not None and there.size_bytes == size_bytes:
                return
        self._send(path, name)
        there = self._look(name)
        if there is None or there.size_bytes != size_bytes:
            raise OSError(f"{name} is {there and there.size_bytes} bytes there, not {size_bytes}")
        tag = self.fs.info(self.backend._full_path(name)).get("ETag")
        if tag_agrees(path, tag) is False:
            self.backend.remove(name)
            raise OSError(f"{name} arrived with another content (its tag is {tag})")

    def _send(self, path: Path, name: str) -> None:
        if self.spec["protocol"] == "s3":
            where = self.backend._full_path(name)
            self.fs.put_file(str(path), where, chunksize=PART_BYTES, max_concurrency=2)
        else:
            self.backend.put_file(path, name)

    def _refresh(self, name: str) -> bool:
        """Have the store copy an object onto itself, which renews its time; False where it cannot."""
        if self.spec["protocol"] != "s3":
            return False
        bucket, _, key = self.backend._full_path(name).partition("/")
        try:
            self.fs.call_s3(
                "copy_object",
                Bucket=bucket,
                Key=key,
                CopySource={"Bucket": bucket, "Key": key},
                MetadataDirective="REPLACE",
            )
        except FileNotFoundError:  # collected just now
            return False
        except store_errors() as error:
            if isinstance(error, OSError) and error.errno is not None:  # above 5 GB, or not offered
                return False
            raise
        return True

    # ------------------------------------------------------------------ collectors and workers

    @contextmanager
    def announced(self, section: str, names: Sequence[str]) -> Iterator[Callable[[], bool]]:
        """Announce in the store itself that these objects are about to be removed.

        Yields a function that returns whether the collector may still remove one: not when
        `COLLECTOR_LEASE_S` have passed since the announcement.

        Parameters
        ----------
        section
            Schema whose objects they are, as of `product_name`.
        names
            Names of the objects.
        """
        started = time.monotonic()
        name = f"{ROOT}/{section}/collecting/{uuid.uuid4().hex}.json"
        self._write(name, json.dumps(list(names)).encode())
        try:
            yield lambda: time.monotonic() - started < COLLECTOR_LEASE_S
        finally:
            self.remove(name)

    def _wait_for_collector(self, name: str) -> bool:
        """Return whether a collector had announced to remove this object; its time to do so is over then."""
        section = name.split("/")[1]
        waited = False
        while self._is_announced(section, name):
            waited = True
            time.sleep(1.0)
        return waited

    def _is_announced(self, section: str, name: str) -> bool:
        announcements = self.listing(f"{section}/collecting")
        if not announcements:
            return False
        now = self.clock(section)
        live = [a for a in announcements if now - a.modified < ANNOUNCEMENT_LIFE]
        contents = [self.read(announcement.name) for announcement in live]
        return any(name in json.loads(content) for content in contents if content)


def set_up_s3(fs: Any) -> None:
    """Limit the tries of s3fs, and make it send without asking the server first.

    botocore asks with `Expect: 100-continue`. aiohttp then waits without end where a server answers at once
    instead, as it does when it refuses (seen with aiohttp 3.14, s3fs 2026.9). And s3fs repeats five times
    what botocore has tried five times, which takes half an hour with a server that is silent.
    """
    from botocore.handlers import add_expect_header

    fs.retries = 1
    fs.s3.meta.events.unregister("before-call.s3", add_expect_header)


def modified(info: Mapping[str, Any]) -> datetime:
    """When an object was last written, UTC to the second; libraries name it differently."""
    for key in ("LastModified", "last_modified", "updated", "mtime", "created"):
        value = info.get(key)
        if isinstance(value, str):
            value = datetime.fromisoformat(value)
        elif isinstance(value, (int, float)):
            value = datetime.fromtimestamp(value, UTC)
        if isinstance(value, datetime):
            aware = value if value.tzinfo else value.replace(tzinfo=UTC)
            return aware.astimezone(UTC).replace(microsecond=0)
    raise ProcessingError(f"the store does not say when {info.get('name')} was written")


def product_name(section: str, sha256: str) -> str:
    """Name of the object that holds a file of this content.

    Parameters
    ----------
    section
        Name of the schema whose rows refer to it.
    sha256
        Digest of the content.
    """
    return f"{ROOT}/{section}/{sha256[:2]}/{sha256}.h5"
