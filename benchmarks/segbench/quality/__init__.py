"""How an artefact's labels differ from the reference's on a video."""
