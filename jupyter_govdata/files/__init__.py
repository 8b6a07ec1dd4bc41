"""Files under governance, as the kernel reads them: alone, as a set, as a table's data files.

Runs in the kernel; a session asks for them (`session.files`), and nothing here knows a session.
"""
