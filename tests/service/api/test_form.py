"""The files of a multipart form, as browsers and other clients send them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.api.form import files_of
from service.api.problems import RequestError

TYPE = "multipart/form-data; boundary=edge"
FILE = b'Content-Disposition: form-data; name="image"; filename="a.jpg"\r\nContent-Type: image/jpeg'


def form(*parts: tuple[bytes, bytes], boundary: bytes = b"edge") -> bytes:
    """A form of parts: their headers, and their contents."""
    lines = [b"--" + boundary + b"\r\n" + head + b"\r\n\r\n" + content + b"\r\n" for head, content in parts]
    return b"".join(lines) + b"--" + boundary + b"--\r\n"


def names(body: bytes, content_type: str = TYPE) -> list[str | None]:
    return [upload.filename for upload in files_of(body, content_type, max_files=4)]


def disposition(rest: bytes) -> bytes:
    return b'Content-Disposition: form-data; name="image"' + rest


@given(
    contents=st.lists(
        st.binary(max_size=60) | st.sampled_from([b"\r\n", b"\r\n--", b"\r\n--edg", b"-edge--"]), max_size=4
    ).filter(lambda contents: not any(b"--edge" in content for content in contents)),
    preamble=st.sampled_from([b"", b"\r\n", b"text\r\n"]),
    epilogue=st.sampled_from([b"", b"\r\n", b"--edge\r\n"]),
)
def test_the_contents_are_what_was_sent(contents: list[bytes], preamble: bytes, epilogue: bytes) -> None:
    body = preamble + form(*((FILE, content) for content in contents)) + epilogue
    if contents:
        assert [upload.body for upload in files_of(body, TYPE, max_files=4)] == contents


@given(
    body=st.lists(st.sampled_from([b"--edge", b"--", b"\r\n", b"\r", b"\n", b" ", b"a", FILE, b":", b'"'])).map(
        b"".join
    )
)
def test_any_body_is_read_or_a_400(body: bytes) -> None:
    try:
        files_of(b"--edge\r\n" + body, TYPE, max_files=4)
    except RequestError as error:
        refused = error.status
    else:
        return
    assert refused == 400


@given(header=st.text(st.characters(max_codepoint=255), max_size=60))
def test_any_header_of_the_form_is_read_or_a_400(header: str) -> None:
    try:
        assert names(form((FILE, b"x")), f"multipart/form-data; {header}; boundary=edge")
    except RequestError as error:
        refused = error.status
    else:
        return
    assert refused == 400


@given(header=st.binary(max_size=60))
def test_any_header_of_a_part_is_read_into_text_that_can_be_encoded(header: bytes) -> None:
    try:
        found = names(form((FILE, b"x"), (disposition(b"; filename=" + header), b"y")))
    except RequestError as error:
        refused = error.status
    else:
        for name in found:
            assert name is None or name.encode() is not None
        return
    assert refused == 400


@pytest.mark.parametrize(
    "charset",
    ["utf-7", "undefined", "idna", "punycode", "base64_codec", "unicode_escape", "rot13", "utf-16", "a\0b", "no"],
)
def test_a_charset_of_the_form_is_ignored(charset: str) -> None:
    head = disposition(b'; filename="+2AA- \\ud800 \xc3\xa9.jpg"')
    assert names(form((head, b"x")), f"{TYPE}; charset={charset}") == ["+2AA- \\ud800 é.jpg"]


@pytest.mark.parametrize(
    ("rest", "name"),
    [
        (b'; filename="a.jpg"', "a.jpg"),
        (b"; filename=a.jpg", "a.jpg"),
        (b'; FileName = "a.jpg"', "a.jpg"),
        (b'; filename="a, b; c.jpg"', "a, b; c.jpg"),
        (b'; filename="a \\"b\\".jpg"', 'a "b".jpg'),
        (b'; filename="C:\\\\Users\\\\a.jpg"', "a.jpg"),
        (b'; filename="\xe9.jpg"', "é.jpg"),  # not UTF-8: Latin-1
        (b"; filename*=UTF-8''%e2%82%ac.jpg", "€.jpg"),
        (b"; filename*=iso-8859-1'en'%A3.jpg", "£.jpg"),
        (b"; filename=\"x.jpg\"; filename*=utf-8''%C3%A9.jpg", "é.jpg"),
        (b"; filename*=utf-8''%FF%zz.jpg", "�%zz.jpg"),
        (b"; filename=\"x.jpg\"; filename*=utf-7''+2AA-.jpg", "x.jpg"),
    ],
)
def test_a_filename_is_read_as_browsers_and_other_clients_write_it(rest: bytes, name: str) -> None:
    assert names(form((disposition(rest), b"x"))) == [name]


def test_a_part_with_the_type_of_an_image_needs_no_filename() -> None:
    assert names(form((b"content-type: IMAGE/jpg", b"x"), (disposition(b""), b"a field"))) == [None]


def test_an_input_in_which_no_file_was_chosen_is_left_out() -> None:
    empty = (disposition(b'; filename=""') + b"\r\nContent-Type: application/octet-stream", b"")
    assert names(form(empty, (FILE, b"x"), empty)) == ["a.jpg"]
    assert names(form((disposition(b'; filename=""'), b"x"))) == [""]
    with pytest.raises(RequestError, match="holds no file"):
        names(form(empty))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (form(*[(FILE, b"x")] * 5), "more than 4 files"),
        (form((FILE, b"x"), *[(disposition(b""), b"field")] * 17), "16 other parts"),
        (form((FILE, b"x"))[:-9], "ends inside"),
        (b"--edge\r\n" + FILE, "headers of a part"),
        (b"--edgeX\r\n" + FILE, "other characters"),
        (b"no form", "no line with the boundary"),
        (b"--edge\r\n" + FILE + b"\r\nX: " + b"x" * 20_000 + b"\r\n\r\n\r\n--edge--", "too long"),
        (b"--edge--\r\n", "holds no file"),
        (form((disposition(b'; filename="' + b"x" * 2048 + b'"'), b"x")), "more than 2048 characters"),
    ],
)
def test_a_bad_form_is_a_400_that_says_why(body: bytes, words: str) -> None:
    with pytest.raises(RequestError, match=words) as refused:
        names(body)
    assert refused.value.status == 400


@pytest.mark.parametrize("parameter", ["", "; boundary=", "; boundary=" + "x" * 257, "; Boundary"])
def test_a_form_without_a_usable_boundary_is_a_400(parameter: str) -> None:
    with pytest.raises(RequestError, match="boundary of 1 to 256 bytes"):
        names(form((FILE, b"x")), "multipart/form-data" + parameter)


def test_a_boundary_may_be_quoted() -> None:
    assert names(form((FILE, b"x"), boundary=b"a;b c"), 'Multipart/Form-Data; BOUNDARY="a;b c"') == ["a.jpg"]
