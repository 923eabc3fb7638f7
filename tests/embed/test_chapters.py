from embed.chapters import chapters_as_text, of_row


def test_a_row_has_the_chapter_that_it_starts_in() -> None:
    text = chapters_as_text([(60.0, "Weather"), (0.5, "News"), (90.0, "")])
    metadata = [("title", "Journal"), ("chapters", text)]
    found = {start_s: dict(of_row(metadata, start_s)).get("chapter") for start_s in (0.0, 0.5, 59.999, 60.0, 91.0)}
    assert found == {0.0: None, 0.5: "News", 59.999: "News", 60.0: "Weather", 91.0: None}
    assert of_row(metadata, 0.0) == [("title", "Journal")]


def test_other_values_of_that_name_and_texts_stay() -> None:
    for value in ("12", "[]", '["a"]', '{"start": 1}', "not json", '[{"start": "x", "title": "a"}]'):
        assert of_row([("chapters", value)], 3.0) == [("chapters", value)]
    metadata = [("chapters", chapters_as_text([(0.0, "News")]))]
    assert of_row(metadata, None) == metadata
    assert chapters_as_text([]) == ""
