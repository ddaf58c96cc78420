"""What you see: Streamlit pages and Altair charts; nothing scientific is decided here."""
