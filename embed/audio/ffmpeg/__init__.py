"""ffmpeg: films and recordings in its formats, through PyAV.

In: a file, and its sound tracks where they are named.  Out: a stream of blocks, with the times of the film.
Begin at `reader`; `tracks` chooses the sound, `gaps` finds what is lost, `lengths` what headers state.
"""

from embed.audio.ffmpeg.reader import FfmpegStream, by_ffmpeg, headerless

__all__ = ["FfmpegStream", "by_ffmpeg", "headerless"]
