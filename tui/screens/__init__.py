"""Views and dialogs. They know the console by its port."""
