"""Getting published data sets, and looking at images before anything is trained on them."""
