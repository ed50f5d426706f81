"""The Streamlit application: its entry, shared widgets and session state."""
