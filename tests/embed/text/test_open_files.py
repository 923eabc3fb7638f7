from embed.text.open_files import Held


class Thing:
    def __init__(self) -> None:
        self.closed = False

    def close(self) -> None:
        self.closed = True


def test_what_is_taken_is_gone_until_it_is_kept_again() -> None:
    held: Held[Thing] = Held(2)
    one = Thing()
    held.keep("a", one)
    assert held.take("a") is one
    assert held.take("a") is None
    assert not one.closed


def test_the_oldest_of_too_many_is_closed() -> None:
    held: Held[Thing] = Held(2)
    things = [Thing() for _ in range(4)]
    for key, thing in zip("abca", things, strict=True):
        held.keep(key, thing)
    assert [thing.closed for thing in things] == [True, True, False, False]
    assert held.take("a") is things[3]
