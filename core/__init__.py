"""The domain: prompts, masks, model, losses, metrics, training and prediction. No Streamlit, no database."""
