"""Evaluation: how well models find speech by text and text by speech.

In: EvaluateSpec, or a MeasureSpec where nothing is written.  Out: a report with intervals by task, system and dim.
`measures` has the metrics, `report` the written forms and the gates, `bench` the speed of the other rooms.
Begin at `tasks` (`evaluate` measures a spec without a cluster); `systems` is the table of compared systems, `models`
loads their models, `vectors` encodes with them, `results` has the types of a report.
"""
