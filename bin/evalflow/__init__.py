"""The logic of evalflow: no workflow engine in here."""
