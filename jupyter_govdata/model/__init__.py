"""The words of the house as frozen values: layer 0, standard library only."""
