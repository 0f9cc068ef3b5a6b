"""The chat in a browser, and an API beside it that OpenAI's clients speak.

`serve.py` starts it; `app.py` has its routes. It needs the extra ``nanogpt-cli[web]``, so nothing
outside of this package imports it before it is asked for.
"""
