from embed.text.open_files import OpenFiles


class Thing:
    def __init__(self) -> None:
        self.closed = False

    def close(self) -> None:
        self.closed = True


def test_what_is_taken_is_gone_until_it_is_kept_again() -> None:
    files: OpenFiles[Thing] = OpenFiles(2)
    one = Thing()
    files.keep("a", one)
    assert files.take("a") is one
    assert files.take("a") is None
    assert not one.closed


def test_the_oldest_of_too_many_is_closed() -> None:
    files: OpenFiles[Thing] = OpenFiles(2)
    things = [Thing() for _ in range(4)]
    for key, thing in zip("abca", things, strict=True):
        files.keep(key, thing)
    assert [thing.closed for thing in things] == [True, True, False, False]
    assert files.take("a") is things[3]


def test_all_that_is_kept_can_be_closed() -> None:
    files: OpenFiles[Thing] = OpenFiles(2)
    things = [Thing(), Thing()]
    for key, thing in enumerate(things):
        files.keep(key, thing)
    files.close()
    assert all(thing.closed for thing in things)
    assert files.take(0) is None
