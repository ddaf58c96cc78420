"""How it is learned and recorded; what the app and scripts may use is exported here."""
