"""Load testers side by side: the cases, the peers, how one run is measured, how many are told. Entry: `bench/peers.py`."""
