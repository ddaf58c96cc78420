"""What the app, the command line and scripts call: one object, no torch, no database."""
