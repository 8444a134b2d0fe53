"""Facts about the repository, and the data branch. The only part that imports GitPython."""
