"""What you see: Streamlit pages and Altair charts; decides nothing scientific."""
