"""Evaluation: how well models find speech by text and text by speech.

In: EvaluateSpec, or a MeasureSpec where nothing is written.  Out: a report with intervals by task, system and dim.
`measures` has the metrics, `report` the written forms and the gates, `bench` the speed of everything else.
Begin at `tasks` (`evaluate` measures a spec without a cluster); `systems` is the table of what is compared, `models`
loads and `vectors` encodes it, `results` is what comes out.
"""
