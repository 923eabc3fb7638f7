"""Every error that Deglu raises on purpose: one clear line with the cure, and the exit code it ends a command with.

DegluError                1
├── SpecError             2   the spec or the command line is wrong
├── InputError            1   something to be read is missing, empty, damaged or unsupported
│   └── UnsupportedFormat     no reader knows this container
├── StorageError          1   a bucket or folder cannot be read or written
│   └── AlreadyPublished      another writer published this version first
├── FingerprintMismatch   1   vectors, index and query were not made by the same encoder
├── DataUnavailable       1   installable data or weights cannot be had here
└── WorkLeftUndone        1   a job ended with units neither embedded, failed nor skipped
"""


class DegluError(Exception):
    """Base of all; its text is one line that names the thing and the cure."""

    exit_code = 1


class SpecError(DegluError):
    exit_code = 2


class InputError(DegluError):
    pass


class UnsupportedFormat(InputError):
    pass


class StorageError(DegluError):
    pass


class AlreadyPublished(StorageError):
    pass


class FingerprintMismatch(DegluError):
    pass


class DataUnavailable(DegluError):
    pass


class WorkLeftUndone(DegluError):
    pass
