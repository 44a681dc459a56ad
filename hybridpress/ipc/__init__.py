"""The only words that worker and coordinator share, and the channel that carries them."""
