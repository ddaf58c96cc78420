"""How a figure is drawn: rows in, Vega-Lite specification out; no Streamlit, no queries."""
