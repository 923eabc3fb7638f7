from embed.amount import Amount


def test_amounts_are_added_and_taken_away_to_the_millisecond() -> None:
    whole, part = Amount(3, 0.3, 30), Amount(1, 0.1, 10)
    assert whole - part == Amount(2, 0.2, 20)
    assert whole - part + part == whole
    assert Amount() + part == part
