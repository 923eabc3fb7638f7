"""Errors that Deglu raises on purpose: one clear line with the cure, and the exit code of the command.

DegluError                1
├── SpecError             2   the spec or the command line is wrong
├── InputError            1   an input is missing, empty, damaged or unsupported
│   ├── UnsupportedFormat     no reader supports this container
│   ├── ExpandsTooFar         a small file has content of far over its size
│   ├── DescriptionError      what is written about a file is not so, or cannot be read
│   ├── AbsentColumn          a table lacks a column that its input names
│   └── RefusedContent        a web server has something else than a recording, or one over the limit
├── StorageError          1   a bucket or folder cannot be read or written
│   ├── AlreadyPublished      another writer published this version first
│   ├── UnreadableBucket      a bucket does not exist, or the credentials do not open it
│   └── UnreadableFile        one file or object cannot be read, though its storage answers
│       └── OutsideInput          a link or a list leads out of its input
├── FingerprintMismatch   1   vectors, index and query were not made by the same encoder
├── DataUnavailable       1   installable data or weights are not available here
└── WorkLeftUndone        1   a job ended with units neither embedded, failed nor skipped
"""

from embed.redaction import redacted


class DegluError(Exception):
    """Base of all errors; its text is one line that names the file or field and the cure, without secrets of urls.

    >>> import deglu
    >>> try:
    ...     deglu.open_index("nowhere")
    ... except deglu.DegluError as error:
    ...     error.exit_code
    1
    """

    exit_code = 1

    def __init__(self, message: str = "") -> None:
        super().__init__(redacted(message))


class SpecError(DegluError):
    """A spec, a request or a command line is wrong; the text names the field, its value and the cure.

    >>> import deglu
    >>> deglu.SearchRequest(k=0)
    Traceback (most recent call last):
    embed.errors.SpecError: k = 0: must be at least 1
    """

    exit_code = 2


class InputError(DegluError):
    """An input is missing, empty, damaged or unsupported; the text names it.

    >>> import deglu
    >>> deglu.open_dataset("/no")
    Traceback (most recent call last):
    embed.errors.InputError: /no: no version is published here; run `deglu embed SPEC` to its end or check the address
    """


class UnsupportedFormat(InputError):
    """No reader supports this container or format.

    >>> import deglu
    >>> decode = deglu.decoder_for(deglu.load_encoder("model"))
    >>> try:
    ...     decode("archive/notes.txt")
    ... except deglu.UnsupportedFormat as error:
    ...     "notes.txt" in str(error)
    True
    """


class AbsentColumn(InputError):
    """A table lacks a column that its input names, or the column holds something else."""


class ExpandsTooFar(InputError):
    """A small file unpacks to far more bytes, rows or cells than its size allows."""


class DescriptionError(InputError):
    """What is written about a file is not so, or cannot be read: a checksum, a row of a catalogue, an XML file."""


class RefusedContent(InputError):
    """A web server has something else than a recording under its address, or more bytes than the input allows."""


class StorageError(DegluError):
    """A bucket or folder cannot be read or written, or a file on it is damaged.

    >>> import deglu
    >>> issubclass(deglu.AlreadyPublished, deglu.StorageError)
    True
    """


class AlreadyPublished(StorageError):
    """Another writer published this version first; run the command again.

    >>> import deglu
    >>> deglu.AlreadyPublished.exit_code
    1
    """


class UnreadableFile(StorageError):
    """One file, folder or object cannot be read, though its storage answers: permission, archive class, damage.

    >>> import deglu
    >>> issubclass(deglu.UnreadableFile, deglu.StorageError)
    True
    """


class UnreadableBucket(StorageError):
    """A bucket does not exist, or the credentials do not open it."""


class OutsideInput(UnreadableFile):
    """A link or a list leads to a file outside of its input, which is not read unless the input allows it."""


class FingerprintMismatch(DegluError):
    """Vectors, index and query were not made by the same encoder.

    >>> import deglu
    >>> try:
    ...     deglu.open_index("build/index", space="of another model")
    ... except deglu.FingerprintMismatch as error:
    ...     "of another model" in str(error)
    True
    """


class DataUnavailable(DegluError):
    """Installable data or weights are not available on this machine.

    >>> import deglu
    >>> deglu.DataUnavailable.exit_code
    1
    """


class WorkLeftUndone(DegluError):
    """A job ended with units that are neither embedded, failed nor skipped; run the same command again to continue.

    >>> import deglu
    >>> deglu.WorkLeftUndone.exit_code
    1
    """


# Of a listed file that is never opened; in its problem, "ErrorClass: message", by name.
NEVER_OPENED = (OutsideInput, UnreadableBucket, ExpandsTooFar, DescriptionError, AbsentColumn, RefusedContent)

# Of one file that is read: the others may be fine.  Any other error of storage concerns all of them.
OF_ONE_FILE = (InputError, UnreadableFile)
