"""docker/libraries.py replaces a library that is linked but never called: the new one loads and reports each call."""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[2] / "docker" / "libraries.py"
LIBRARY = "int wanted(void) { return 7; } int other(void) { return 8; }"
EXTENSION = "extern int wanted(void); int answer(void) { return 42; } int ask(void) { return wanted(); }"
CALL = "import ctypes, sys; print(getattr(ctypes.CDLL(sys.argv[1]), sys.argv[2])())"

if sys.platform != "linux" or not all(map(shutil.which, ("gcc", "nm", "objdump", "strip"))):
    pytest.skip("docker/libraries.py needs Linux, gcc and binutils", allow_module_level=True)


@pytest.fixture(scope="module")
def libraries() -> ModuleType:
    spec = importlib.util.spec_from_file_location("libraries", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def compile_library(path: Path, source: str, *options: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    subprocess.run(
        ["gcc", "-x", "c", "-", "-x", "none", "-shared", "-fPIC", "-o", path, *options],
        input=source,
        text=True,
        check=True,
    )
    return path


def call(library: Path, function: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", CALL, library, function], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("version", ["", "VERSION_1"])
def test_a_hollow_library_lets_the_extension_load_and_aborts_by_name_when_called(
    libraries: ModuleType, tmp_path: Path, version: str
) -> None:
    script = tmp_path / "version.map"
    script.write_text(f"{version} {{ global: *; }};")
    inner = compile_library(tmp_path / "some.libs" / "libinner-1.so", "int inner(void) { return 1; }")
    options = ["-Wl,--no-as-needed", str(inner), *([f"-Wl,--version-script={script}"] if version else [])]
    library = compile_library(tmp_path / "some.libs" / "libouter-1.so", LIBRARY, "-Wl,-soname,libouter-1.so", *options)
    extension = compile_library(
        tmp_path / "package" / "extension.so",
        EXTENSION,
        str(library),
        "-Wl,-rpath,$ORIGIN/../some.libs",
        f"-Wl,-rpath-link,{inner}",
    )
    assert call(extension, "ask").stdout == "7\n"

    libraries.hollow(library, extension)
    libraries.remove_unlinked(tmp_path)
    libraries.strip(extension)

    assert not inner.exists()
    assert library.exists()
    answered, asked = call(extension, "answer"), call(extension, "ask")
    assert (answered.stdout, answered.stderr) == ("42\n", "")
    assert asked.returncode < 0
    assert asked.stderr == "wanted was called, but docker/libraries.py leaves libouter out of this image\n"
    assert "other" not in {name for name, _, _ in libraries.symbols(library, "--defined-only")}


def test_a_library_whose_data_is_used_is_not_hollowed(libraries: ModuleType, tmp_path: Path) -> None:
    library = compile_library(tmp_path / "libdata.so", "int number = 7;")
    extension = compile_library(
        tmp_path / "extension.so", "extern int number; int answer(void) { return number; }", str(library)
    )
    with pytest.raises(SystemExit, match=r"libdata\.so: number is data"):
        libraries.hollow(library, extension)


def test_libraries_that_need_a_gpu_are_not_stripped(libraries: ModuleType, tmp_path: Path) -> None:
    strippable = ["numpy/core.so", "onnxruntime/capi/libonnxruntime.so.1", "some.libs/libsome-1.so.2"]
    untouched = [
        "nvidia/cu13/lib/libcublas.so.13",
        "onnxruntime/capi/libonnxruntime_providers_cuda.so",
        "tensorrt_libs/libnvinfer.so.10",
        "tensorrt_rtx_bindings/tensorrt_rtx.so",
    ]
    for name in (*strippable, *untouched):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = {path.relative_to(tmp_path).as_posix() for path in libraries.strippable(tmp_path)}
    assert found == set(strippable)
