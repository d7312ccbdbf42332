"""Fuzz `FrameReader`: no bytes in any chunks may do more than raise `ProtocolError`.

The fuzzer is atheris (libFuzzer for Python). It has no place in the development environments:

    python3.11 -m venv /tmp/fuzz && /tmp/fuzz/bin/pip install atheris
    /tmp/fuzz/bin/python scripts/fuzz_frames.py --minutes 10 [--corpus DIRECTORY]

What is checked for each input: the reader always offers memory to receive into; it raises nothing
but `ProtocolError`; the frames do not depend on how the stream was cut; what was received is what
was sent; memory stays below --memory MiB. A finding ends the run with exit code 77 (76 for memory,
70 for slowness) and leaves `crash-*`, `oom-*` or `timeout-*` beside the corpus; show it again with
--replay FILE.
"""

from __future__ import annotations

import argparse
import struct
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import atheris

PACKAGES = Path(__file__).resolve().parents[1] / "packages"
sys.path[:0] = [str(PACKAGES / "loky-backend/src"), str(PACKAGES / "loky-spawn/src")]

with atheris.instrument_imports(include=["loky_backend._frames"]):
    from loky_backend import ProtocolError, _frames

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZES = [0, 1, 23, 24, 25, 4095, 4096, 65_503, 65_535, 65_536, 262_143, 262_144, 1 << 32, 1 << 44]
COUNTS = [0, 1, 2, 3, 7, 4095, 4096, 4097, 1 << 31, 1 << 31 | 1, 1 << 31 | 4096, (1 << 32) - 1]
LONGEST = 200_000


def check(data: bytes) -> None:
    """Read one input in two ways and compare."""
    provider = atheris.FuzzedDataProvider(data)
    chunks = [
        provider.ConsumeIntInRange(1, 70_000) for _ in range(provider.ConsumeIntInRange(0, 8))
    ]
    if provider.ConsumeBool():
        stream = provider.ConsumeBytes(provider.remaining_bytes())
    else:
        stream = b"".join(_frames_from(provider))
    whole, refused = read(stream, [])
    pieces, refused_too = read(stream, chunks)
    assert refused == refused_too, (refused, refused_too)
    shorter, longer = sorted((whole, pieces), key=len)
    assert longer[: len(shorter)] == shorter
    if not refused:
        assert whole == pieces


def _frames_from(provider: atheris.FuzzedDataProvider) -> Iterator[bytes]:
    """Give frames that are nearly right: the random bytes decide where they lie."""
    while provider.remaining_bytes() > 4:
        body = provider.ConsumeBytes(provider.ConsumeIntInRange(0, 200))
        if provider.ConsumeIntInRange(0, 15) == 0:
            body *= provider.ConsumeIntInRange(1, 500)
        kind = provider.ConsumeIntInRange(0, 12)
        if provider.ConsumeIntInRange(0, 7):
            buffers = [provider.ConsumeBytes(provider.ConsumeIntInRange(0, 9)) for _ in range(3)]
            yield b"".join(map(bytes, _frames.encode_frame(kind, 1, body, buffers)))
            continue
        size = provider.PickValueInList(SIZES) if provider.ConsumeBool() else len(body)
        count = provider.PickValueInList(COUNTS)
        listed = min(count & ~(1 << 31), provider.ConsumeIntInRange(0, 4097))
        entry = provider.PickValueInList(SIZES) | provider.ConsumeIntInRange(0, 1) << 63
        table = struct.pack("<Q", entry) * listed
        head = bytearray(b"".join(map(bytes, _frames.encode_frame(kind, 1))))
        struct.pack_into("<I", head, 4, count)
        struct.pack_into("<Q", head, 16, size)
        yield bytes(head) + table + body


def read(stream: bytes, chunks: list[int]) -> tuple[list[object], bool]:
    """Return the frames of a stream that arrives in chunks, and whether it was refused."""
    reader, rest, sizes = _frames.FrameReader(), memoryview(stream), iter(chunks)
    found: list[object] = []
    try:
        while rest:
            target = reader.target()
            assert len(target) > 0, "no memory to receive into"
            count = min(len(target), len(rest), next(sizes, len(rest)))
            target[:count] = rest[:count]
            found += [_facts(frame) for frame in reader.advance(count)]
            rest = rest[count:]
    except ProtocolError:
        return found, True
    if reader.broken is not None:
        return found, True
    assert sum(size for *_, size in found) <= len(stream), "more came out than went in"
    return found, False


def _facts(frame: _frames.Frame) -> tuple[object, ...]:
    """Return what tells two frames apart, and how many bytes came with it."""
    buffers = [bytes(buffer) for buffer in frame.buffers]
    body = bytes(frame.body)
    size = len(body) + sum(map(len, buffers))
    return frame.kind, frame.token, frame.task, body, buffers, size


def _seeds(folder: Path) -> None:
    """Write inputs to begin with: a stream of all kinds, and one of a large frame."""
    kinds = [kind for name, kind in vars(_frames.FrameKind).items() if name.isupper()]
    pieces = [piece for kind in kinds for piece in _frames.encode_frame(kind, 3, b"body", [b"b"])]
    large = _frames.encode_frame(kinds[0], 3, b"x" * 70_000, [b"y" * 70_000, b""])
    # The provider takes numbers from the end of the input, and bytes from its beginning.
    (folder / "kinds").write_bytes(b"".join(map(bytes, pieces)) + b"\x01\x00")
    (folder / "large").write_bytes(b"".join(map(bytes, large)) + b"\x01\x00")


def main() -> None:
    """Run libFuzzer for so long, or show one finding again."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=10, help="how long (default 10)")
    parser.add_argument("--corpus", type=Path, help="keeps what was learned (default: a new one)")
    parser.add_argument("--memory", type=int, default=512, help="MiB at most (default 512)")
    parser.add_argument("--replay", type=Path, help="run one finding and nothing else")
    options = parser.parse_args()
    if options.replay:
        check(options.replay.read_bytes())
        print("no finding")
        return
    corpus = options.corpus or Path(tempfile.mkdtemp(prefix="fuzz-frames-"))
    corpus.mkdir(parents=True, exist_ok=True)
    _seeds(corpus)
    print(f"corpus and findings: {corpus}", flush=True)
    arguments = [
        f"-max_total_time={round(options.minutes * 60)}",
        f"-max_len={LONGEST}",
        f"-rss_limit_mb={options.memory}",
        f"-artifact_prefix={corpus.parent / corpus.name}-",
        "-timeout=20",
        "-print_final_stats=1",
        "-verbosity=1",
        str(corpus),
    ]
    atheris.Setup([sys.argv[0], *arguments], check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
