"""The demo lake: real public data of ten sources under one governance folder.

Runs on the client side: it loads through a session like any user. Trusts the packaged files.
"""
