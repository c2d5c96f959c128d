"""The list of faults that spoil_chunk.py makes."""
CASES = []


def case(where, words, base="dense", keep_manifest=False):
    """Registers an edit. Those that take (path) work on the file, those that take (chunk) on a Chunk."""
    def register(edit):
        CASES.append((edit.__name__, where, words, base, keep_manifest, edit))
        return edit
    return register
