"""A unix socket that listens: who may connect, which files are replaced, and when its file is removed."""

import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from service.transport.listening_socket import ListenError
from service.transport.process import listen, several
from service.transport.unix_socket import UnixListener
from tests.service.served_app import settings


def connect(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


def leave_dead(path: Path) -> None:
    """The file of a server that has died."""
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))


def test_user_and_group_may_connect_and_the_file_is_removed_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "server.sock"
    with listen(settings(uds=path)) as listener:
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        connect(path)
        copies = several(listener)[1:]
        for copy in copies:
            copy.close()
        connect(path)
    assert not path.exists()


def test_the_umask_is_as_before(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with UnixListener(tmp_path / "server.sock"):
            pass
    finally:
        after = os.umask(before)
    assert after == 0o027


def test_the_socket_of_a_dead_server_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "server.sock"
    leave_dead(path)
    with UnixListener(path):
        connect(path)
    assert not path.exists()


def test_a_server_that_lives_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "server.sock"
    with UnixListener(path):
        with pytest.raises(ListenError) as caught:
            listen(settings(uds=path))
        assert str(caught.value) == f"cannot listen on {path}: another server listens there; choose another --uds"
        connect(path)


def test_any_other_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    path.write_text("kept")
    link = tmp_path / "link"
    link.symlink_to(path)
    for place in (path, link, tmp_path):
        with pytest.raises(ListenError, match="a file that is no socket is there"):
            listen(settings(uds=place))
    assert link.read_text() == "kept"


def test_the_file_of_a_successor_stays(tmp_path: Path) -> None:
    path = tmp_path / "server.sock"
    first = UnixListener(path)
    path.unlink()
    with UnixListener(path):
        first.close()
        connect(path)


def test_of_servers_that_start_at_once_one_wins(tmp_path: Path) -> None:
    path = tmp_path / "server.sock"
    leave_dead(path)
    program = (
        "import sys; from pathlib import Path; from service.transport.unix_socket import UnixListener\n"
        "try: listener = UnixListener(Path(sys.argv[1]))\n"
        "except OSError: print('refused', flush=True)\n"
        "else: print('listens', flush=True); sys.stdin.read(); listener.close()\n"
    )
    command = [sys.executable, "-c", program, str(path)]
    servers = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    words = [server.stdout.readline().strip() for server in servers if server.stdout is not None]
    connect(path)
    for server in servers:
        server.communicate()
    assert sorted(words) == ["listens", "refused", "refused"]
    assert not path.exists()


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("none/server.sock", "No such file or directory"),
        ("x" * 120, "the path has more than 107 bytes"),
    ],
)
def test_a_path_that_cannot_be_used_is_one_sentence(tmp_path: Path, name: str, sentence: str) -> None:
    path = tmp_path / name
    with pytest.raises(ListenError) as caught:
        listen(settings(uds=path))
    assert str(caught.value) == f"cannot listen on {path}: {sentence}; choose another --uds"
