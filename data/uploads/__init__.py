"""The user's own data: files kept by their content, and what their lines say."""
