"""The pages: each answers one question.

Not called `pages`: Streamlit would list a folder of that name by its own rules.
"""
