import pytest

from inpaint.errors import OptionError
from inpaint.web.auth import Passwords, add_user
from inpaint.web.serve_options import parser
from inpaint.web.serving import serve


def test_people_are_let_in_by_their_password_only(tmp_path):
    file = tmp_path / "people"
    add_user(file, "ann", "correct horse")
    add_user(file, "bob", "other")
    add_user(file, "ann", "new word")
    passwords = Passwords(file)
    assert passwords("ann", "new word") and passwords("bob", "other")
    assert not passwords("ann", "correct horse") and not passwords("bob", "") and not passwords("eve", "other")
    text = file.read_text()
    assert "new word" not in text and text.count("\n") == 2 and file.stat().st_mode & 0o077 == 0


def test_same_password_has_another_hash(tmp_path):
    file = tmp_path / "people"
    add_user(file, "a", "same")
    add_user(file, "b", "same")
    first, second = (line.partition(":")[2] for line in file.read_text().splitlines())
    assert first != second


@pytest.mark.parametrize(
    ("text", "wrong"),
    [("ann:secret\n", "line 1"), ("# nobody\n", "holds no user"), ("ann:scrypt$!!$!!\n", "line 1 is damaged"),
     (None, "cannot be read")],
)
def test_files_that_are_none_are_refused(tmp_path, text, wrong):
    if text is not None:
        (tmp_path / "people").write_text(text)
    with pytest.raises(OptionError, match=wrong):
        Passwords(tmp_path / "people")


@pytest.mark.parametrize(
    ("name", "password"), [("", "x"), ("a", ""), ("a:b", "x"), ("#a", "x"), ("a\nb", "x"), (" a", "x")]
)
def test_names_that_the_file_cannot_hold(tmp_path, name, password):
    with pytest.raises(OptionError):
        add_user(tmp_path / "people", name, password)


def test_a_file_that_cannot_be_written_is_one_sentence(tmp_path):
    with pytest.raises(OptionError, match=r"users: cannot be written \(No such file"):
        add_user(tmp_path / "none" / "users", "ann", "secret")


def test_what_is_no_text_is_not_written_over(tmp_path):
    (tmp_path / "people").write_bytes(b"\xff\xfe")
    with pytest.raises(OptionError, match="people: cannot be read"):
        add_user(tmp_path / "people", "ann", "secret")
    assert (tmp_path / "people").read_bytes() == b"\xff\xfe"


def test_a_line_is_replaced_whole_and_its_file_kept_to_its_owner(tmp_path, monkeypatch):
    people = tmp_path / "people"
    people.write_text("# all of us\n  ann:scrypt$eA==$eA==\n")
    people.chmod(0o644)
    add_user(people, "ann", "secret")
    assert people.read_text().count("ann:") == 1 and people.read_text().startswith("# all of us\n")
    assert people.stat().st_mode & 0o077 == 0
    before = people.read_text()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("inpaint.web.named_lines.os.replace", full)
    with pytest.raises(OptionError, match=r"people: cannot be written \(No space left"):
        add_user(people, "bob", "other")
    assert people.read_text() == before


def test_no_password_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    def ask(_):
        raise EOFError

    monkeypatch.setattr("getpass.getpass", ask)
    people = tmp_path / "people"
    with pytest.raises(OptionError, match="people: nobody was added, no password was given"):
        serve(parser().parse_args(["--add-user", "ann", "--auth-file", str(people)]), needs_api=False)
    assert not people.exists()
