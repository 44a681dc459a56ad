"""Load testers side by side: cases, peers, how a run is measured, how runs are told. Entry: `bench/peers.py`."""
