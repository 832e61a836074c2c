"""The errors DefaceQA raises on purpose; each message is one sentence for the person at the keyboard."""


class DefaceQAError(Exception):
    """Anything DefaceQA refuses: the message says what was found, what was expected and what to do."""


class InputError(DefaceQAError):
    """A file or a pair that cannot be judged."""


class ModelError(DefaceQAError):
    """A model folder that is damaged, or that does not fit the features at hand."""


class RenderError(DefaceQAError):
    """No working off-screen renderer on this machine."""


class OutputError(DefaceQAError):
    """A folder for results that cannot be written, or must not be."""


class ClusterError(DefaceQAError):
    """Workers that cannot be reached, or that cannot do the work."""


class StoppedError(DefaceQAError):
    """Somebody asked the run to end before it was done."""


class LabelError(DefaceQAError):
    """A label or training table that cannot be used."""
