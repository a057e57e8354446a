"""Who may ask the server, and for what."""

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROIS = {"points": [[[20, 20], [140, 20], [140, 100], [20, 100]]], "mask": []}


def ask(
    server: Any,
    path: str,
    *,
    method: str = "GET",
    body: Any = None,
    token: bool = True,
    **headers: str,
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and content of an answer."""
    given = {"authorization": f"Bearer {server.token}"} if token else {}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(server.origin + path, data, given, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), error.read()


def video_id(server: Any) -> str:
    return str(json.loads(ask(server, "/api/opened")[2])["videos"][0]["id"])


def test_only_who_has_the_token_is_answered(serve: Callable[..., Any], face: Path) -> None:
    with serve(face) as server:
        assert ask(server, "/api/health", token=False)[::2] == (200, b'{"ok":true}')
        number = video_id(server)
        paths = ("/", "/draw", "/api/opened", f"/api/videos/{number}", "/static/common/api.js")
        for path in paths:
            assert ask(server, path, token=False)[0] == 401
            assert ask(server, path, token=False, authorization="Bearer x")[0] == 401
            assert ask(server, f"{path}?token=x", token=False)[0] == 401
        status, headers, _ = ask(server, "/draw")
        assert status == 200
        assert "default-src 'self'" in headers["content-security-policy"]


def test_another_name_of_the_server_is_refused(serve: Callable[..., Any], face: Path) -> None:
    """A page elsewhere could make its own name lead to this machine."""
    with serve(face) as server:
        assert ask(server, "/api/opened", host="evil.example:80")[0] == 421
        assert ask(server, "/api/opened", host="localhost")[0] == 200


def test_only_own_pages_may_change_anything(serve: Callable[..., Any], face: Path) -> None:
    with serve(face) as server:
        path = f"/api/videos/{video_id(server)}/rois"
        change = {"method": "PUT", "body": ROIS, "if_match": '"none"'}
        for headers in ({"origin": "http://evil.example"}, {"sec_fetch_site": "cross-site"}):
            status, _, content = ask(server, path, **change, **headers)
            assert (status, b"pages of this server" in content) == (403, True)
        assert not face.with_name("face.rois.json").exists()
        assert ask(server, path, **change, origin=server.origin)[0] == 200


def test_read_only_changes_nothing(serve: Callable[..., Any], face: Path) -> None:
    before = sorted(face.parent.iterdir())
    with serve(face, "--read-only") as server:
        base = f"/api/videos/{video_id(server)}"
        for method, path in (("PUT", "/rois"), ("POST", "/runs"), ("POST", "/rois/propose")):
            assert ask(server, base + path, method=method, body={})[0] == 403
        assert ask(server, f"{base}/frames/3.jpg")[0] == 200
    assert sorted(face.parent.iterdir()) == before


def test_no_path_leads_out(serve: Callable[..., Any], face: Path) -> None:
    (face.parent / "secret.txt").write_text("secret")
    with serve(face) as server:
        number = video_id(server)
        for path in (
            "/static/../../../../../etc/passwd",
            "/static/%2e%2e/%2e%2e/opened.py",
            "/static//etc/passwd",
            f"/api/videos/{number}/../secret.txt",
            "/api/videos/..%2fsecret.txt/file",
            f"/api/videos/{number}/frames/..%2f..%2fsecret.jpg",
            "/draw/../secret.txt",
        ):
            status, _, content = ask(server, path)
            assert status in (404, 405, 422), path
            assert b"secret" not in content.replace(b"secret.txt", b"")


def test_no_tab_overwrites_what_it_has_not_seen(serve: Callable[..., Any], face: Path) -> None:
    with serve(face) as server:
        path = f"/api/videos/{video_id(server)}/rois"
        _, headers, content = ask(server, path)
        first = headers["etag"]
        assert json.loads(content)["rois"] is None
        assert ask(server, path, method="PUT", body=ROIS)[0] == 428
        status, headers, _ = ask(server, path, method="PUT", body=ROIS, if_match=first)
        assert status == 200
        other = {**ROIS, "mask": [[[0, 0], [150, 0], [150, 110]]]}
        status, _, content = ask(server, path, method="PUT", body=other, if_match=first)
        assert status == 412
        assert b"changed elsewhere" in content
        assert json.loads(face.with_name("face.rois.json").read_text()) == ROIS
        assert ask(server, path, method="PUT", body=other, if_match=headers["etag"])[0] == 200
        assert json.loads(face.with_name("face.rois.json").read_text()) == other


def test_malformed_requests_are_told_and_change_nothing(
    serve: Callable[..., Any], face: Path
) -> None:
    with serve(face) as server:
        base = f"/api/videos/{video_id(server)}"
        wrong = [
            ("PUT", "/rois", {"points": [[[0, 0], [1, "x"], [2, 2]]]}, "vertex 1"),
            (
                "POST",
                "/rois/check",
                {"rois": {"points": [[[0, 0], [900, 0], [0, 900]]]}},
                "outside",
            ),
            ("POST", "/runs", {}, "save the regions first"),
            (
                "POST",
                "/runs",
                {"is_try": True, "rois": ROIS, "frames": [5, 900]},
                "within 0 to 120",
            ),
            ("POST", "/runs", {"settings": ["--device"]}, "no setting"),
        ]
        for method, path, body, told in wrong:
            status, _, content = ask(
                server, base + path, method=method, body=body, if_match='"none"'
            )
            assert (status, told in json.loads(content)["error"]) == (422, True), content
        assert ask(server, f"{base}/frames/120.jpg")[0] == 422
        assert json.loads(ask(server, "/api/runs")[2]) == {"runs": []}


def test_a_range_of_the_file(serve: Callable[..., Any], numbered: Path) -> None:
    with serve(numbered) as server:
        path = f"/api/videos/{video_id(server)}/file"
        status, headers, content = ask(server, path, range="bytes=10-29")
        assert (status, headers["content-type"]) == (206, "video/mp4")
        assert content == numbered.read_bytes()[10:30]


@pytest.mark.slow
def test_memory_does_not_grow_with_what_is_asked(serve: Callable[..., Any], numbered: Path) -> None:
    import psutil

    with serve(numbered) as server:
        number, process = video_id(server), psutil.Process(server.process.pid)

        def look(first: int) -> int:
            for n in range(250):
                frame = (first + 37 * n) % 300
                assert (
                    ask(server, f"/api/videos/{number}/frames/{frame}.jpg?width={100 + n}")[0]
                    == 200
                )
            return int(process.memory_info().rss)

        look(0)
        before = look(5)
        assert look(11) < before + 30 * 2**20
