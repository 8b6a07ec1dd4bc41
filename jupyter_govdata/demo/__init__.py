"""The demo lake: real public data of ten sources under one governance folder, and its tour.

Runs on the client side: it loads through a session like any user. Trusts the packaged files.
"""

from jupyter_govdata.demo.build import build, default_lake
from jupyter_govdata.demo.tour import open_tour, run_tour, tour_notebook

__all__ = ["build", "default_lake", "open_tour", "run_tour", "tour_notebook"]
