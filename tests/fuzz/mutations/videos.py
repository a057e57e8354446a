"""Changes to video files: to the parts that containers are made of, and texts in disguise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.mutations.context import WHOLE_NUMBERS, Context


@dataclass
class Part:
    """A box, element or chunk: its name, and its content or the parts in it.

    Attributes
    ----------
    name
        As it stands in the file.
    head
        Bytes before the parts, for those that begin with fields of their own.
    content
        All of it, where it has no parts.
    parts
        In order.
    claimed
        Size to write in place of the true one.
    """

    name: bytes
    content: bytes = b""
    head: bytes = b""
    parts: list[Part] | None = None
    claimed: int | None = None


def mutate_video(path: Path, context: Context) -> None:
    """Change the parts of a video file, whatever its container."""
    data = path.read_bytes()
    for signature, at, parse, write in _CONTAINERS:
        if data[at : at + len(signature)] == signature:
            parts = parse(data)
            for _ in range(1 + int(context.rng.expovariate(0.9))):
                _change_parts(parts, context)
            path.write_bytes(b"".join(write(part) for part in parts)[: 1 << 24])
            return
    packet = 188 if data[:1] == b"\x47" else 64
    blocks = [bytearray(data[i : i + packet]) for i in range(0, len(data), packet)]
    for _ in range(1 + int(context.rng.expovariate(0.5))):
        _change_blocks(blocks, context)
    path.write_bytes(b"".join(blocks))


def disguise(path: Path, context: Context) -> None:
    """Put a text that names other files under the name of a video."""
    secret, address = context.canary / "secret.ts", context.address()
    other = context.rng.choice((str(secret), "../canary/secret.ts", f"file:{secret}", address))
    texts = (
        f"ffconcat version 1.0\nfile '{other}'\n",
        f"ffconcat version 1.0\nfile {other}\noption safe 0\nduration 1\n",
        f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{other}\n#EXT-X-ENDLIST\n",
        f'#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXT-X-KEY:METHOD=AES-128,URI="{address}"\n'
        f"#EXTINF:9,\n{other}\n",
        f"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\na=control:{address}\n"
        "m=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
        '<?xml version="1.0"?>\n<MPD type="static" mediaPresentationDuration="PT9S"><Period>'
        '<AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="9">'
        f"<BaseURL>{other}</BaseURL></Representation></AdaptationSet></Period></MPD>\n",
        f'<smil><body><video src="{other}"/></body></smil>',
        f"[playlist]\nFile1={other}\nNumberOfEntries=1\n",
        f"[Reference]\nRef1={address}\n",
        f"RTSPtext\r\nrtsp://127.0.0.1/{other}\r\n",
        f"<SeamlessBranching/><CompositionPlaylist xmlns='x'><Id>{other}</Id></CompositionPlaylist>",
        f"import vapoursynth\nopen({other!r})\n",
        f";FFMETADATA1\ntitle={other}\n",
        "",
        "\n" * 2000,
    )
    path.write_text(context.rng.choice(texts))


def _change_parts(parts: list[Part], context: Context) -> None:
    rng = context.rng
    places = list(_places(parts))
    if not places:
        return
    siblings, index = rng.choice(places)
    part = siblings[index]
    action = rng.randrange(10)
    if action <= 3:
        _change_content(part, context)
    elif action == 4:
        part.claimed = rng.choice((*WHOLE_NUMBERS, len(part.content), len(part.content) + 1))
    elif action == 5:
        del siblings[index]
    elif action == 6:
        siblings[index:index] = [part] * rng.choice((1, 2, 300) if part.parts is None else (1,))
    elif action == 7 and part.parts is None:
        other, where = rng.choice(places)
        siblings[index], other[where] = other[where], part
    elif action == 8:
        part.name = rng.choice([p[i].name for p, i in places] + [bytes(len(part.name)), b"skip"])
    else:
        siblings.insert(index, _reference(context))


def _places(parts: list[Part], depth: int = 0) -> list[tuple[list[Part], int]]:
    found = [(parts, i) for i in range(len(parts))]
    for part in parts:
        if part.parts is not None and depth < 12:
            found += _places(part.parts, depth + 1)
    return found[:5000]


def _change_content(part: Part, context: Context) -> None:
    """Write a length or count at the edge of its type somewhere into a part."""
    data = bytearray(part.content if part.parts is None else part.head)
    size = context.rng.choice((1, 2, 4, 4, 4, 8))
    number = context.rng.choice((*WHOLE_NUMBERS, 16_000, 65_500)) & ((1 << 8 * size) - 1)
    start = context.rng.randrange(min(len(data), 120) + 1)
    data[start : start + size] = number.to_bytes(
        size, "big" if context.rng.random() < 0.8 else "little"
    )
    if part.parts is None:
        part.content = bytes(data)
    else:
        part.head = bytes(data)


def _reference(context: Context) -> Part:
    """A box that says that the data lie in another file."""
    target = context.address().encode()
    name, kind = context.rng.choice(
        ((b"url ", b""), (b"urn ", b""), (b"alis", b""), (b"rdrf", b"url "))
    )
    entry = Part(
        name, bytes(4) + (kind + len(target).to_bytes(4, "big") if kind else b"") + target + b"\0"
    )
    return context.rng.choice(
        (
            Part(b"dref", head=bytes(4) + (1).to_bytes(4, "big"), parts=[entry]),
            Part(b"rmra", parts=[Part(b"rmda", parts=[entry])]),
            entry,
            Part(b"moov", parts=[Part(b"moov", parts=[entry])]),
        )
    )


def _change_blocks(blocks: list[bytearray], context: Context) -> None:
    """Change packets of a stream without an index."""
    if not blocks:
        return
    rng = context.rng
    i, j = rng.randrange(len(blocks)), rng.randrange(len(blocks))
    action = rng.randrange(5)
    if action == 0:
        del blocks[i]
    elif action == 1:
        blocks[i], blocks[j] = blocks[j], blocks[i]
    elif action == 2:
        blocks.insert(j, bytearray(blocks[i]))
    else:
        block = blocks[min(i, rng.choice((2, 20, len(blocks))) - 1)]
        block[rng.randrange(min(len(block), 24))] = rng.choice((0, 0xFF, rng.randrange(256)))


# mp4 and mov: a size of four bytes, a name of four
_MP4_HEADS = {b"meta": 4, b"dref": 8, b"stsd": 8, b"avc1": 78, b"mp4v": 78}
_MP4_MASTERS = {
    *_MP4_HEADS,
    b"moov",
    b"trak",
    b"mdia",
    b"minf",
    b"stbl",
    b"dinf",
    b"edts",
    b"udta",
    b"ilst",
}


def _parse_mp4(data: bytes) -> list[Part]:
    parts, start = [], 0
    while start + 8 <= len(data):
        size = int.from_bytes(data[start : start + 4], "big")
        name, end = data[start + 4 : start + 8], start + size
        if size < 8 or end > len(data):
            break
        body = data[start + 8 : end]
        if name in _MP4_MASTERS:
            n = _MP4_HEADS.get(name, 0)
            parts.append(Part(name, head=body[:n], parts=_parse_mp4(body[n:])))
        else:
            parts.append(Part(name, body))
        start = end
    return parts


def _write_mp4(part: Part, depth: int = 0) -> bytes:
    body = _body(part, _write_mp4, depth)
    size = len(body) + 8 if part.claimed is None else part.claimed & 0xFFFFFFFF
    return size.to_bytes(4, "big") + part.name + body


# Matroska: a name and a size, both of variable length
_MKV_MASTERS = (
    b"\x1a\x45\xdf\xa3",
    b"\x18\x53\x80\x67",
    b"\x11\x4d\x9b\x74",
    b"\x4d\xbb",
    b"\x15\x49\xa9\x66",
    b"\x16\x54\xae\x6b",
    b"\xae",
    b"\xe0",
    b"\x1f\x43\xb6\x75",
    b"\xa0",
    b"\x1c\x53\xbb\x6b",
    b"\xbb",
    b"\xb7",
    b"\x12\x54\xc3\x67",
    b"\x73\x73",
    b"\x67\xc8",
)


def _parse_mkv(data: bytes) -> list[Part]:
    parts, start = [], 0
    while start < len(data) and data[start]:
        n_name = 9 - data[start].bit_length()
        at = start + n_name
        if at >= len(data) or data[at] == 0:
            break
        n_size = 9 - data[at].bit_length()
        size = int.from_bytes(data[at : at + n_size], "big") & ((1 << 7 * n_size) - 1)
        name, body_start = data[start:at], at + n_size
        body = data[body_start : body_start + size]
        parts.append(
            Part(name, parts=_parse_mkv(body)) if name in _MKV_MASTERS else Part(name, body)
        )
        start = body_start + size
    return parts


def _write_mkv(part: Part, depth: int = 0) -> bytes:
    body = _body(part, _write_mkv, depth)
    size = len(body) if part.claimed is None else part.claimed
    return part.name + ((1 << 56) | (size & ((1 << 56) - 1))).to_bytes(8, "big") + body


# avi: a name and a little-endian size; RIFF and LIST begin with a second name
def _parse_riff(data: bytes) -> list[Part]:
    parts, start = [], 0
    while start + 8 <= len(data):
        name, size = data[start : start + 4], int.from_bytes(data[start + 4 : start + 8], "little")
        body = data[start + 8 : start + 8 + size]
        if name in (b"RIFF", b"LIST"):
            parts.append(Part(name, head=body[:4], parts=_parse_riff(body[4:])))
        else:
            parts.append(Part(name, body))
        start += 8 + size + size % 2
    return parts


def _write_riff(part: Part, depth: int = 0) -> bytes:
    body = _body(part, _write_riff, depth)
    size = len(body) if part.claimed is None else part.claimed & 0xFFFFFFFF
    return (
        part.name.ljust(4, b" ")[:4] + size.to_bytes(4, "little") + body + b"\0" * (len(body) % 2)
    )


def _body(part: Part, write: Callable[[Part, int], bytes], depth: int) -> bytes:
    if part.parts is None or depth > 12:
        return part.head + part.content
    return part.head + b"".join(write(inner, depth + 1) for inner in part.parts)


_CONTAINERS = (
    (b"ftyp", 4, _parse_mp4, _write_mp4),
    (b"\x1a\x45\xdf\xa3", 0, _parse_mkv, _write_mkv),
    (b"RIFF", 0, _parse_riff, _write_riff),
)
