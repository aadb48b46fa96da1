"""Make an image smaller: remove shared libraries that are never called or not linked, and strip the others.

OpenCV's wheel links its one extension with OpenBLAS and FFmpeg, seventy megabytes, so that OpenCV cannot be imported
without them; decoding, resizing and drawing call none of their functions. Libraries of the same names replace them.
These hold the functions that OpenCV names; each function prints what is missing and aborts. AVIF stays: OpenCV asks it
about every file that it decodes.

Needs gcc and binutils. The image's warm-up runs after this script and fails if it calls such a function after all.

example:
  python docker/libraries.py /opt/venv/lib/python3.11/site-packages
"""

import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

EXTENSION = "cv2/cv2.abi3.so"
UNCALLED = ("libopenblas", "libavcodec", "libavformat", "libavutil", "libswscale")
# they are stripped already, and without a GPU no check would notice damage by strip
UNTOUCHED = ("nvidia/", "tensorrt", "onnxruntime/capi/libonnxruntime_providers_")
SOURCE = """
extern long write(int, const void *, unsigned long);
extern void abort(void) __attribute__((noreturn));
#define LEFT_OUT(name) \\
  void name(void) { \\
    static const char text[] = #name " was called, but docker/libraries.py leaves %s out of this image\\n"; \\
    (void)!write(2, text, sizeof text - 1); \\
    abort(); \\
  }
"""


def main() -> None:
    """Remove, replace and strip libraries in the site-packages folder that the command line names."""
    packages = Path(sys.argv[1])
    extension = packages / EXTENSION
    for prefix in UNCALLED:
        linked = [name for name in needed(extension) if name.startswith(prefix)]
        if len(linked) != 1:
            sys.exit(f"{EXTENSION} links {len(linked)} libraries {prefix}*, not one: correct UNCALLED in {__file__}")
        hollow(next(packages.glob(f"*.libs/{linked[0]}")), extension)
    remove_unlinked(packages)
    for library in strippable(packages):
        strip(library)


def hollow(library: Path, extension: Path) -> None:
    """Replace `library` by one with only the functions that `extension` takes from it, all of which abort."""
    wanted = {name for name, _, _ in symbols(extension, "--undefined-only")}
    functions: dict[str, list[str]] = defaultdict(list)  # by version; "" for none
    for name, kind, version in symbols(library, "--defined-only"):
        if name in wanted and kind != "A":  # A is the name of a version itself
            if kind not in "TWi":
                sys.exit(f"{library.name}: {name} is data, which no empty function can replace")
            functions[version].append(name)
    num_functions = sum(map(len, functions.values()))
    print(f"{library.name}: {num_functions} functions replace {library.stat().st_size / 1e6:.1f} MB")
    source = SOURCE % library.name.partition("-")[0] + "\n".join(
        f"LEFT_OUT({name})" for names in functions.values() for name in names
    )
    script = "\n".join(
        f"{version} {{ global: {'; '.join(names)}; }};" for version, names in functions.items() if version
    )
    script_file = library.with_suffix(".map")
    script_file.write_text(script)
    command = ["gcc", "-x", "c", "-", "-shared", "-fPIC", "-Os", "-nostdlib", "-fno-builtin", "-o", str(library)]
    command += [f"-Wl,-soname,{library.name}", *([f"-Wl,--version-script,{script_file}"] if script else [])]
    subprocess.run(command, input=source, text=True, check=True)
    script_file.unlink()


def remove_unlinked(packages: Path) -> None:
    """Remove each library that auditwheel put into PACKAGE.libs if no extension links it, even indirectly."""
    bundled = {path.name: path for path in packages.glob("*.libs/*.so*")}
    linked: set[str] = set()
    users = [path for path in packages.rglob("*.so*") if path.name not in bundled]
    while users:
        found = {name for user in users for name in needed(user) if name in bundled} - linked
        linked |= found
        users = [bundled[name] for name in found]
    for name in sorted(bundled.keys() - linked):
        print(f"{name}: not linked, {bundled[name].stat().st_size / 1e6:.1f} MB removed")
        bundled[name].unlink()


def strippable(packages: Path) -> list[Path]:
    """The shared libraries that are not NVIDIA's or ONNX Runtime's for NVIDIA's GPUs."""
    return [path for path in packages.rglob("*.so*") if not path.relative_to(packages).as_posix().startswith(UNTOUCHED)]


def strip(library: Path) -> None:
    """Remove symbols that only linkers and debuggers read, unless this breaks a library (auditwheel moves segments)."""
    stripped = library.with_suffix(".stripped")
    subprocess.run(["strip", "--strip-unneeded", "-o", str(stripped), str(library)], check=True)
    if is_loadable(stripped):
        stripped.replace(library)
    else:
        stripped.unlink()


def is_loadable(library: Path) -> bool:
    """Whether each segment has the same offset in a page of the file as in a page of memory."""
    segments = re.findall(r"LOAD off +(\w+) vaddr (\w+) .* align 2\*\*(\d+)", output("objdump", "-p", str(library)))
    return all((int(offset, 16) - int(address, 16)) % 2 ** int(bits) == 0 for offset, address, bits in segments)


def needed(library: Path) -> list[str]:
    """The names of the libraries that `library` links."""
    lines = output("objdump", "-p", str(library)).splitlines()
    return [line.split()[1] for line in lines if line.split()[:1] == ["NEEDED"]]


def symbols(library: Path, which: str) -> list[tuple[str, str, str]]:
    """(name, kind, version) of each dynamic symbol, as nm prints them; the version is "" if there is none."""
    fields = [line.split()[-2:] for line in output("nm", "--dynamic", which, str(library)).splitlines()]
    return [
        (symbol.partition("@")[0], kind, symbol.rpartition("@")[2] if "@" in symbol else "") for kind, symbol in fields
    ]


def output(*command: str) -> str:
    """What a command prints; raises CalledProcessError if it fails."""
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    main()
