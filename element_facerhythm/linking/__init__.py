"""What a lab supplies: its linking module, its keys, and the released Elements that need none."""

from element_facerhythm.io.data_paths import (
    ROOT_VARIABLE,
    as_directories,
    expected_path,
    relative_to_roots,
    resolve_new_path,
    resolve_path,
)
from element_facerhythm.linking.contract import (
    PROCESSED_VARIABLE,
    STORE_NAME,
    Link,
    active_link,
    check_linking_module,
    environment_processed_dir,
    environment_root_dirs,
    import_linking_module,
    search_dirs,
    set_active_link,
    store_is_remote,
)

__all__ = [
    "PROCESSED_VARIABLE",
    "ROOT_VARIABLE",
    "STORE_NAME",
    "Link",
    "active_link",
    "as_directories",
    "check_linking_module",
    "environment_processed_dir",
    "environment_root_dirs",
    "expected_path",
    "import_linking_module",
    "relative_to_roots",
    "resolve_new_path",
    "resolve_path",
    "search_dirs",
    "set_active_link",
    "store_is_remote",
]
