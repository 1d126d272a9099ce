"""How the tables of older versions become those of this one; loaded only when they must."""
