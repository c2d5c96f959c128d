"""Runs a program of docs/chunk_format.md as it stands there: DOC NAME ARGUMENT, with NAME reader or writer."""
import re
import sys

doc, name, argument = sys.argv[1:]
code = re.search(rf"^```python {name}\n(.*?)^```", open(doc, encoding="utf-8").read(), re.M | re.S).group(1)
sys.argv = [name, argument]
exec(compile(code, f"{doc}:{name}", "exec"), {"__name__": "__main__"})
