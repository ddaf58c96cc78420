"""How the launch form comes out of the settings' own declarations."""
